// The volumes of a Pod → files and folders of this machine, made as the kubelet makes them: a
// ConfigMap behind the link ..data, an emptyDir of the Pod's group, what is the host's below a
// folder that stands for the node's own file system.

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { V1PodSpec, V1Volume } from "@kubernetes/client-node";

/** Files of a ConfigMap; undefined: there is no such ConfigMap. */
export type ConfigMapReader = (name: string) => Promise<Record<string, Buffer> | undefined>;

export interface ServiceAccountFiles {
  token: string;
  certificateAuthority: string;
  namespace: string;
}

export class PodVolumes {
  readonly #directory: string;
  readonly #nodeDirectory: string;
  readonly #spec: V1PodSpec;
  readonly #configMaps: ConfigMapReader;
  readonly #present = new Map<string, Record<string, Buffer>>();

  /** All in `directory`, which exists; `nodeDirectory` stands for the node's /. */
  constructor(
    directory: string,
    nodeDirectory: string,
    spec: V1PodSpec,
    configMaps: ConfigMapReader,
  ) {
    this.#directory = directory;
    this.#nodeDirectory = nodeDirectory;
    this.#spec = spec;
    this.#configMaps = configMaps;
  }

  async make(account: ServiceAccountFiles | undefined): Promise<void> {
    for (const volume of this.#spec.volumes ?? []) await this.#makeOne(volume);
    if (account) this.#makeServiceAccount(account);
  }

  /** What is mounted: a volume by its name, or the service account's files. */
  sourceOf(name: string): string {
    const volume = this.#spec.volumes?.find((each) => each.name === name);
    if (volume === undefined) throw new Error(`the Pod has no volume ${name}`);
    const { hostPath } = volume;
    if (hostPath === undefined) return join(this.#directory, name);
    // The kernel's files are the node's by the network namespace of who looks.
    if (hostPath.path.startsWith("/proc/")) return hostPath.path;
    return join(this.#nodeDirectory, hostPath.path);
  }

  get serviceAccount(): string {
    return join(this.#directory, "service-account");
  }

  /** As the kubelet's sync loop, for all ConfigMaps. */
  async refresh(): Promise<void> {
    for (const volume of this.#spec.volumes ?? []) {
      if (volume.configMap) await this.#writeConfigMap(volume);
    }
  }

  async #makeOne(volume: V1Volume): Promise<void> {
    const path = this.sourceOf(volume.name);
    if (volume.hostPath) return makeHostPath(path, volume.hostPath.type ?? "");
    mkdirSync(path);
    if (volume.configMap) return this.#writeConfigMap(volume);
    if (!volume.emptyDir) throw new Error(`volume ${volume.name}: of an unknown kind`);
    const group = this.#spec.securityContext?.fsGroup ?? 0;
    chownSync(path, 0, group);
    chmodSync(path, group === 0 ? 0o777 : 0o2777);
  }

  /** Old files go with one rename, as kubelet's atomic writer has it. */
  async #writeConfigMap({ name, configMap }: V1Volume): Promise<void> {
    const { name: configMapName = "", optional = false } = configMap ?? {};
    const files = await this.#configMaps(configMapName);
    if (files === undefined && !optional) throw new Error(`no ConfigMap ${configMapName}`);
    const before = this.#present.get(name) ?? {};
    this.#present.set(name, files ?? {});
    const directory = this.sourceOf(name);
    const data = mkdtempSync(join(directory, "..data-"));
    chmodSync(data, 0o755);
    for (const [key, content] of Object.entries(files ?? {})) {
      writeFileSync(join(data, key), content, { mode: 0o644 });
    }
    symlinkSync(basename(data), join(directory, "..data_tmp"));
    renameSync(join(directory, "..data_tmp"), join(directory, "..data"));
    for (const key of Object.keys(before)) {
      if (files?.[key] === undefined) rmSync(join(directory, key));
    }
    for (const key of Object.keys(files ?? {})) {
      if (before[key] === undefined) symlinkSync(join("..data", key), join(directory, key));
    }
  }

  /** Readable for the Pod's group, as the kubelet's projected volume is. */
  #makeServiceAccount({ token, certificateAuthority, namespace }: ServiceAccountFiles): void {
    mkdirSync(this.serviceAccount);
    const files = { token, "ca.crt": certificateAuthority, namespace };
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.serviceAccount, name);
      writeFileSync(path, content, { mode: 0o640 });
      chownSync(path, 0, this.#spec.securityContext?.fsGroup ?? 0);
    }
  }
}

function makeHostPath(path: string, type: string): void {
  if (type === "FileOrCreate") {
    mkdirSync(dirname(path), { recursive: true });
    if (!existsSync(path)) writeFileSync(path, "", { mode: 0o644 });
  } else if (!["File", "Directory"].includes(type))
    throw new Error(`hostPath ${path}: type ${type} is not known here`);
  const isThere = existsSync(path) && statSync(path).isDirectory() === (type === "Directory");
  if (!isThere) throw new Error(`hostPath ${path} is no ${type}`);
}
