// The DaemonSet of deploy/kubernetes as it would run on a node: its very command lines, mounts,
// users and capabilities, with the rights of its service account, and connections to Services.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventsV1Api } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { EnvoyStatus } from "../../controller/envoys/envoy-status.ts";
import { findEnvoy } from "../../envoy/find.ts";
import { ControlPlane } from "../cluster/control-plane.ts";
import { Objects } from "../cluster/objects.ts";
import { preparePrograms } from "../demo/prerequisites.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import { notEmpty } from "../not-empty.ts";
import { compileTestPlugin, withOtherBuild } from "../real/test-plugins.ts";
import { Api } from "./api.ts";
import { configuration, Installation, NAMESPACE } from "./installation.ts";
import { DEPLOY, kustomized, type Manifest } from "./manifests.ts";
import type { RunningPod } from "./pod.ts";

const LAG_MS = 45_000;
const WEB = { app: "web" };
const ESTABLISHED = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established";
const EARLY_DEMUX = "/proc/sys/net/ipv4/tcp_early_demux";
/** capabilities(7), as a set of bits. */
const NET_ADMIN = "0000000000001000";

let cluster: Cluster;
let node: ClusterNode;
let plane: ControlPlane;
let objects: Objects;
let admin: Api;
let client: Dialer;
let installation: Installation;
let pod: RunningPod;
/** The cluster IP of the Service that all tests dial. */
let address: string;
const directory = mkdtempSync(join(tmpdir(), "portico-daemonset-"));

beforeAll(async () => {
  await preparePrograms(console.log, { capsh: "libcap2-bin", setcap: "libcap2-bin" });
  cluster = await makeCluster({
    nodes: [{ name: "node-1", pods: { client: "auto", web: "auto" } }, { name: "control" }],
  });
  node = cluster.node("node-1");
  await node.pod("web").serve({ tcp: 8080 });
  client = await node.pod("client").dialer();
  const control = cluster.node("control");
  const prefix = ["nsenter", `--net=/run/netns/${control.name}`, "--"];
  plane = await ControlPlane.start({ prefix, address: control.address });
  admin = new Api(plane);
  const envoy = await findEnvoy(process.env, console.log);
  installation = new Installation({ node, plane, envoy, directory });
  objects = new Objects(plane.kubeConfig());
  await objects.createNode({ name: "node-1", addresses: [node.address] });
  await setEarlyDemux("1");
  for (const manifest of notEmpty(await kustomized(installation.overlay([])), "manifests")) {
    const { status, object } = await admin.apply(manifest, false);
    expect([status, object.message]).toEqual([201, undefined]);
  }
  await startPod();
  address = await createWeb();
}, 900_000); // the first run builds Kubernetes

afterAll(async () => {
  await pod?.close("SIGKILL");
  await plane?.stop();
  await cluster?.close();
  rmSync(directory, { recursive: true, force: true });
});

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(pod?.ends);
});

/** In the place of the one before, which has ended. */
async function startPod(
  components: readonly string[] = [],
  otherArguments: Readonly<Record<string, string>> = {},
): Promise<void> {
  const folder = installation.overlay(components);
  pod = await installation.podOf(folder, "portico", otherArguments);
  await pod.start();
  await untilReady();
}

async function untilReady(): Promise<void> {
  await eventually("the readiness probe says yes", LAG_MS, async () => {
    return (await pod.probe("controller", "readinessProbe")) === 200;
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${pod.ends}`);
  });
}

async function setEarlyDemux(value: string): Promise<void> {
  await node.exec("sh", ["-c", `echo ${value} > ${EARLY_DEMUX}`]);
}

async function earlyDemux(): Promise<string> {
  return (await node.exec("cat", [EARLY_DEMUX])).stdout.trim();
}

async function createWeb(): Promise<string> {
  const ports = [
    { name: "http", port: 80, targetPort: 8080 },
    { name: "signals", port: 3868, protocol: "SCTP" },
  ];
  const { spec } = await objects.createService({ name: "web", spec: { selector: WEB, ports } });
  const web = { name: "web", nodeName: "node-1", ip: node.pod("web").address, labels: WEB };
  await objects.scale(WEB, [web]);
  return spec?.clusterIP ?? "";
}

async function answered(): Promise<boolean> {
  return (await client.dialOnce(address, 80)).name === "web";
}

function processStatus(pid: number, field: string): string {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
}

async function eventsOn(kind: string, name: string): Promise<string[]> {
  const api = plane.kubeConfig().makeApiClient(EventsV1Api);
  const { items } = await api.listEventForAllNamespaces();
  return items
    .filter(({ regarding }) => regarding?.kind === kind && regarding.name === name)
    .map(({ note }) => note ?? "");
}

async function untilEvent(kind: string, name: string, text: string): Promise<void> {
  await eventually(`an Event on ${kind} ${name} with "${text}"`, LAG_MS, async () => {
    return (await eventsOn(kind, name)).some((note) => note.includes(text));
  });
}

it("serves a Service with the rights of its service account, and writes Events", async () => {
  await eventually("the Service answers", LAG_MS, answered);
  await untilEvent("Service", "web", "SCTP port 3868");
  const { stdout } = await pod.exec("controller", ["portico", "services", "-o", "json"]);
  expect(JSON.stringify(JSON.parse(stdout))).toContain(address);
  expect(pod.log("controller")).not.toMatch(/forbidden|may not/i);
});

it("runs its containers with one capability, and the controller not as root", async () => {
  const facts = (name: string) => {
    const of = (field: string) => processStatus(pod.pid(name), field);
    return [of("Uid").split("\t")[0], of("CapEff"), of("CapBnd"), of("NoNewPrivs")];
  };
  expect(facts("controller")).toEqual(["65532", NET_ADMIN, NET_ADMIN, "1"]);
  expect(facts("envoy")).toEqual(["0", NET_ADMIN, NET_ADMIN, "1"]);
});

it("tells in its Pod where a connection goes, and whether the node is fit", async () => {
  const from = node.pod("client").address;
  const explained = await pod.exec("controller", [
    "portico",
    "explain",
    "--from",
    from,
    `${address}:80`,
  ]);
  expect([explained.code, explained.stdout]).toEqual([0, expect.stringContaining("=> served by ")]);
  const withRights = ["setpriv", "--inh-caps=+net_admin", "--ambient-caps=+net_admin", "--"];
  const checked = await pod.exec("controller", [...withRights, "portico", "check"]);
  expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining("safe to proceed")]);
});

it("tells in its Pod what is wrong with a Service, as far as its rights go", async () => {
  const ended = await pod.exec("controller", ["portico", "doctor", "default/web", "-o", "json"]);
  const { findings } = JSON.parse(ended.stdout) as { findings: { level: string; code: string }[] };
  const codes = findings.map(({ level, code }) => `${level} ${code}`);
  // Of its two ports, one is SCTP; and Pods are none of a Service proxy's business.
  expect(codes.filter((each) => each.startsWith("error"))).toEqual(["error protocol-not-carried"]);
  expect(codes).toEqual(expect.arrayContaining(["note not-allowed", "ok served-here"]));
  expect(ended.code).toBe(1);
});

it("is alive for the kubelet", async () => {
  expect(await pod.probe("controller", "livenessProbe")).toBe(200);
});

it("sets sysctls in the init container alone, and keeps what one was", async () => {
  expect(await earlyDemux()).toBe("0");
  expect(readFileSync(join(directory, "node/run/portico.tcp_early_demux"), "utf8")).toBe("1");
  const { stdout } = await node.exec("cat", [ESTABLISHED]);
  expect(stdout.trim()).toBe("86400");
  // A machine's own limit of entries may be lower than a namespace can know.
  const log = pod.log("controller").replaceAll(/cannot set \S+nf_conntrack_(max|buckets)/g, "");
  expect(log).not.toContain("cannot set");
  expect(log).not.toContain("set the sysctls of connection tracking");
});

it("starts the controller anew for another configuration, and no connection ends", async () => {
  const held = await client.open(address, 80);
  const data = { "config.yaml": configuration("10.1.0.0/16,fd00:1::/64") };
  await applyConfigMap("portico", { data });
  await pod.volumes.refresh();
  expect(await pod.ended("controller")).toBe(1);
  await pod.startContainer("controller");
  await untilReady();
  expect(await held.echo("still here")).toBe("still here");
  await held.close();
});

async function applyConfigMap(name: string, content: object): Promise<void> {
  const metadata = { name, namespace: NAMESPACE };
  const manifest: Manifest = { apiVersion: "v1", kind: "ConfigMap", metadata, ...content };
  const { object } = await admin.apply(manifest, false);
  expect(object.message).toBeUndefined();
}

async function build(): Promise<string> {
  const { stdout } = await pod.exec("controller", ["portico", "plugin", "status", "-o", "json"]);
  return JSON.parse(stdout).build;
}

async function applyPlugin(wasm: Buffer): Promise<void> {
  const binaryData = { "portico.wasm": wasm.toString("base64") };
  await applyConfigMap("portico-plugin", { binaryData });
  await pod.volumes.refresh();
}

async function deletePlugin(): Promise<void> {
  const path = `/api/v1/namespaces/${NAMESPACE}/configmaps/portico-plugin`;
  await admin.ask("DELETE", path);
  await pod.volumes.refresh();
}

it("puts the plugin of a ConfigMap into service, refuses a bad one, and goes back", async () => {
  const shipped = await build();
  const other = withOtherBuild(readFileSync("build/portico.wasm"), "other");
  await applyPlugin(other);
  await untilEvent("Node", "node-1", "from /etc/portico-plugin/portico.wasm is in service");
  const loaded = await build();
  expect(loaded).not.toBe(shipped);
  expect(await answered()).toBe(true);

  await applyPlugin(Buffer.from("nonsense"));
  await untilEvent("Node", "node-1", "is not a WebAssembly module");
  expect([await build(), await answered()]).toEqual([loaded, true]);

  await deletePlugin();
  await eventually("the shipped plugin is back", LAG_MS, async () => (await build()) === shipped);
  expect(await answered()).toBe(true);
});

it("serves again from a new Pod, with Envoy not as root", async () => {
  await pod.close();
  await startPod(["envoy-not-root"], { "--hung-after=1m": "--hung-after=8s" });
  await eventually("the Service answers", LAG_MS, answered);
  expect(processStatus(pod.pid("envoy"), "Uid").split("\t")[0]).toBe("65533");
  expect(processStatus(pod.pid("envoy"), "CapEff")).toBe(NET_ADMIN);
});

it("has Envoy end when the plugin loops, and serves again once that is gone", async () => {
  const shipped = await build();
  await applyPlugin(compileTestPlugin({ backend: "127.0.0.1:1", answers: true, hangs: true }));
  await eventually("the plugin that loops", LAG_MS, async () => (await build()) !== shipped);
  const hanging = client.dialOnce(address, 80, { timeoutMs: LAG_MS });
  expect(await pod.ended("envoy")).not.toBe(0);
  expect((await hanging).outcome).not.toBe("answered");
  await deletePlugin();
  await eventually("the shipped plugin is back", LAG_MS, async () => (await build()) === shipped);
  await pod.startContainer("envoy");
  await eventually("the Service answers", LAG_MS, answered);
});

it("replaces Envoy by the one that stands by, in a Pod that has two", async () => {
  await pod.close();
  await startPod(["envoy-not-root", "two-envoys"]);
  await eventually("the Service answers", LAG_MS, answered);
  const envoys = async () => {
    const { stdout } = await pod.exec("controller", ["portico", "envoy", "status", "-o", "json"]);
    return stdout === "" ? undefined : (JSON.parse(stdout) as EnvoyStatus);
  };
  await eventually("an Envoy stands by", LAG_MS, async () => {
    return (await envoys())?.standby?.directory === "/run/portico/b";
  });
  const replaced = await pod.exec("controller", ["portico", "envoy", "replace"]);
  expect([replaced.code, replaced.stderr]).toEqual([0, ""]);
  expect((await envoys())?.active?.directory).toBe("/run/portico/b");
  expect(await answered()).toBe(true);
  // It has drained, and is told to end; the kubelet starts it again.
  expect(await pod.ended("envoy")).toBe(0);
  await pod.startContainer("envoy");
  await eventually("the other stands by", LAG_MS, async () => {
    return (await envoys())?.standby?.directory === "/run/portico/a";
  });
  expect(await answered()).toBe(true);
});

it("says that it reaches the API server through the Service that it is to serve", async () => {
  await pod.close();
  const path = `/api/v1/namespaces/${NAMESPACE}/configmaps/portico-api-server`;
  await admin.ask("DELETE", path);
  await expect(startPod()).rejects.toThrow("no ConfigMap portico-api-server");
  await applyConfigMap("portico-api-server", { data: { KUBERNETES_SERVICE_HOST: "10.96.0.1" } });
  pod = await installation.podOf(installation.overlay([]), "portico");
  await pod.start();
  await eventually("the log tells", LAG_MS, async () =>
    pod.log("controller").includes("would wait for itself"),
  );
  expect(await pod.probe("controller", "readinessProbe")).not.toBe(200);
});

it("leaves nothing on the node after the cleanup", async () => {
  await pod.close();
  expect((await node.exec("nft", ["list", "tables"])).stdout).toContain("portico");
  pod = await installation.podOf(join(DEPLOY, "cleanup"));
  await pod.start();
  expect((await node.exec("nft", ["list", "tables"])).stdout).toBe("");
  expect((await node.exec("ip", ["rule"])).stdout).not.toContain("4100");
  expect(await earlyDemux()).toBe("1");
  expect(readFileSync(join(directory, "node/run/portico.tcp_early_demux"), "utf8")).toBe("");
  await eventually("the container that waits runs", LAG_MS, async () => {
    return readFileSync(`/proc/${pod.pid("done")}/cmdline`, "utf8").includes("setInterval");
  });
});
