// One container of a Pod → the command that runs it as a process of this machine, confined as a
// container runtime confines it: a root file system that is the image's, read-only where the
// manifest says so; its mounts and no others; its user, groups and capabilities; no_new_privs; the
// environment that the kubelet makes. What is not imitated: seccomp, cgroups, a PID namespace.

import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";
import type { V1Container, V1PodSpec, V1VolumeMount } from "@kubernetes/client-node";

const CHECKOUT = join(import.meta.dirname, "../..");
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** capabilities(7). */
const CAP_NET_ADMIN = 12;
const LAST_CAP = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));

/** As deploy/Dockerfile has it; there is no /etc/protocols either. */
const PASSWD = "portico:x:65532:65532::/:\nenvoy:x:65533:65532::/:";

/** The programs that are in an image though not in this machine's usual folders. */
export interface Image {
  /** deploy/Dockerfile's PATH, or that of Envoy's own image. */
  path: readonly string[];
  /** Folder or file in the image → the one of this machine that is mounted there. */
  mounts: Readonly<Record<string, string>>;
  /** Files that are copied, and get this file capability: what setcap is told. */
  capable: Readonly<Record<string, { from: string; capability: string }>>;
}

/** deploy/Dockerfile, target controller. */
export function porticoImage(): Image {
  const home = "/opt/portico";
  const path = /^ENV PATH=(.*)$/m.exec(readFileSync(join(CHECKOUT, "deploy/Dockerfile"), "utf8"));
  return {
    path: path?.[1]?.split(":") ?? [],
    mounts: {
      [`${home}/build`]: join(CHECKOUT, "build"),
      [`${home}/package.json`]: join(CHECKOUT, "package.json"),
      "/usr/local/bin/node": process.execPath,
    },
    capable: {
      "/usr/local/bin/setpriv": { from: "/usr/bin/setpriv", capability: "cap_net_admin+p" },
    },
  };
}

/** Envoy's official image: no file capability. */
export function envoyImage(envoy: string): Image {
  return {
    path: ["/usr/local/bin", "/usr/bin", "/bin"],
    mounts: { "/usr/local/bin/envoy": envoy },
    capable: {},
  };
}

/** deploy/Dockerfile, target all-in-one. */
export function allInOneImage(envoy: string): Image {
  const image = porticoImage();
  const capable = { "/usr/local/bin/envoy": { from: envoy, capability: "cap_net_admin+ep" } };
  return { ...image, capable: { ...image.capable, ...capable } };
}

interface Surroundings {
  pod: V1PodSpec;
  image: Image;
  /** An empty folder of this machine for the root file system. */
  root: string;
  /** Where a volume is on this machine. */
  sourceOf: (volume: string) => string;
  /** undefined: the Pod has no service account's files. */
  serviceAccount: string | undefined;
  environment: Readonly<Record<string, string>>;
}

/** Program and arguments; to be run as root in the node's network namespace. */
export function containerCommand(container: V1Container, around: Surroundings): string[] {
  const { image, root, environment } = around;
  const expand = (text: string) => expanded(text, environment);
  const [program = "", ...args] = [...(container.command ?? []), ...(container.args ?? [])];
  const variables = Object.entries({ PATH: image.path.join(":"), HOME: "/", ...environment });
  const mounts = [...volumeMounts(container, around), ...serviceAccountMount(around)];
  const script = [
    ...rootFileSystem(root, image),
    ...mounts.flatMap((mount) => mountLines(root, mount)),
    ...(container.securityContext?.readOnlyRootFilesystem
      ? [`mount -o remount,bind,ro ${quoted(root)}`]
      : []),
    'exec "$@"',
  ].join("\n");
  return [
    ...["unshare", "--mount", "--propagation", "private", "--", "sh", "-ec", script, "container"],
    ...["env", "-i", ...variables.map((pair) => pair.join("=")), "/usr/sbin/capsh"],
    ...confinement(container, around),
    `--shell=${programPath(program, image)}`,
    "--",
    ...args.map(expand),
  ];
}

/** As the kubelet: $(NAME), where there is such a variable. */
function expanded(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replace(/\$\((\w+)\)/g, (whole, name) => environment[name] ?? whole);
}

function programPath(program: string, image: Image): string {
  if (program.startsWith("/")) return program;
  for (const folder of image.path) {
    const path = join(folder, program);
    const mounted = Object.keys({ ...image.mounts, ...image.capable });
    if (mounted.includes(path)) return path;
    const parent = image.mounts[folder];
    if (isExecutable(parent === undefined ? path : join(parent, program))) return path;
  }
  throw new Error(`the image has no program ${program} in ${image.path.join(":")}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * User, groups and capabilities, in the order in which runc sets them: a user that is not root has
 * the capabilities until it executes something, which then needs a file capability to keep them.
 */
function confinement(container: V1Container, { pod, root }: Surroundings): string[] {
  const { runAsUser, runAsGroup, runAsNonRoot, ...rest } = container.securityContext ?? {};
  const { capabilities = {}, allowPrivilegeEscalation = true } = rest;
  if (runAsUser === undefined || runAsGroup === undefined) {
    throw new Error(`container ${container.name}: which user its image has is not known here`);
  }
  if (runAsNonRoot && runAsUser === 0) throw new Error(`container ${container.name} runs as root`);
  if (capabilities.drop?.join() !== "ALL" || rest.privileged) {
    throw new Error(`container ${container.name}: only drop: [ALL] is imitated here`);
  }
  const added = capabilities.add ?? [];
  const unknown = added.filter((name) => name !== "NET_ADMIN");
  if (unknown.length > 0) throw new Error(`container ${container.name} adds ${unknown}`);
  const kept = added.map(() => CAP_NET_ADMIN);
  const dropped = Array.from({ length: LAST_CAP + 1 }, (_, number) => number).filter(
    (number) => !kept.includes(number),
  );
  const groups = [runAsGroup, pod.securityContext?.fsGroup ?? runAsGroup];
  return [
    "--strict",
    `--chroot=${root}`,
    `--groups=${[...new Set(groups)].join(",")}`,
    `--gid=${runAsGroup}`,
    ...dropped.map((number) => `--drop=${number}`),
    "--keep=1",
    `--uid=${runAsUser}`,
    kept.length > 0 ? "--caps=cap_net_admin=ep" : "--caps==",
    ...(allowPrivilegeEscalation ? [] : ["--no-new-privs"]),
  ];
}

interface Mount {
  source: string;
  target: string;
  isReadOnly: boolean;
}

function volumeMounts(container: V1Container, { sourceOf }: Surroundings): Mount[] {
  const mounts = (container.volumeMounts ?? []).map((mount: V1VolumeMount) => ({
    source: sourceOf(mount.name),
    target: mount.mountPath,
    isReadOnly: mount.readOnly ?? false,
  }));
  return mounts.sort((one, other) => one.target.length - other.target.length);
}

function serviceAccountMount({ serviceAccount }: Surroundings): Mount[] {
  if (serviceAccount === undefined) return [];
  return [{ source: serviceAccount, target: SERVICE_ACCOUNT, isReadOnly: true }];
}

/** This machine's programs and libraries, read-only, and the image's own; no file of the host's. */
function rootFileSystem(root: string, image: Image): string[] {
  const here = quoted(root);
  const folders = "bin sbin lib lib32 lib64 usr";
  return [
    `mount -t tmpfs -o mode=755 image ${here}`,
    `mkdir -p ${here}/proc ${here}/sys ${here}/dev ${here}/tmp ${here}/run ${here}/var`,
    `ln -s ../run ${here}/var/run`,
    `mkdir ${here}/etc; cp /etc/ld.so.cache /etc/hosts /etc/resolv.conf ${here}/etc/`,
    `echo ${quoted(PASSWD)} > ${here}/etc/passwd`,
    `for folder in ${folders}; do`,
    `  if [ -L "/$folder" ]; then cp -P "/$folder" ${here}/`,
    '  elif [ -d "/$folder" ]; then',
    `    mkdir ${here}/"$folder"; mount --bind "/$folder" ${here}/"$folder"`,
    `    mount -o remount,bind,ro ${here}/"$folder"`,
    "  fi",
    "done",
    `mount -t tmpfs -o mode=755 image ${here}/usr/local/bin`,
    ...Object.entries(image.mounts).flatMap(([target, source]) =>
      mountLines(root, { source, target, isReadOnly: true }),
    ),
    ...Object.entries(image.capable).flatMap(([target, { from, capability }]) => [
      `rm -f ${quoted(root + target)}; cp ${quoted(from)} ${quoted(root + target)}`,
      `setcap ${capability} ${quoted(root + target)}`,
    ]),
    `mount -o remount,bind,ro ${here}/usr/local/bin`,
    `mount --rbind /dev ${here}/dev`,
    `mount --bind /proc ${here}/proc`,
    ...mountLines(root, { source: "/proc/sys", target: "/proc/sys", isReadOnly: true }),
  ];
}

function mountLines(root: string, { source, target, isReadOnly }: Mount): string[] {
  const [from, to] = [quoted(source), quoted(root + target)];
  return [
    `if [ -d ${from} ]; then mkdir -p ${to}; else`,
    `  mkdir -p "$(dirname ${to})"; [ -e ${to} ] || : > ${to}; fi`,
    `mount --bind ${from} ${to}`,
    ...(isReadOnly ? [`mount -o remount,bind,ro ${to}`] : []),
  ];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
