// What a running kube-proxy answers on its ports, beside what Portico's parts answer: the same
// status, headers, bytes, JSON fields, metric names, labels and buckets.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PatchStrategy, setHeaderOptions } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { configurationFromFile } from "../../controller/config/config-file.ts";
import { kubeProxyConfiguration } from "../../controller/config/config-file-write.ts";
import { ProxyHealth } from "../../controller/health/proxy-health.ts";
import { healthCheckAnswer } from "../../controller/health/service-health.ts";
import { Metrics } from "../../controller/observe/metrics.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import { buildControlPlane } from "./build.ts";
import { ControlPlane } from "./control-plane.ts";
import { Objects } from "./objects.ts";
import { RunningProgram } from "./program.ts";

const HEALTHZ_PORT = 10_256;
const METRICS_PORT = 10_249;
const HEALTH_CHECK_NODE_PORT = 32_001;
const SYNC_DEADLINE_MS = 30_000;

let cluster: Cluster;
let node: ClusterNode;
let plane: ControlPlane;
let kubeProxy: RunningProgram;
let config: object;
let changes = 0;
const directory = mkdtempSync(join(tmpdir(), "portico-contract-"));

beforeAll(async () => {
  cluster = await makeCluster({ nodes: [{ name: "node-1" }, { name: "node-2" }] });
  node = cluster.node("node-1");
  const other = cluster.node("node-2");
  const prefix = ["nsenter", `--net=/run/netns/${other.name}`, "--"];
  plane = await ControlPlane.start({ prefix, address: other.address });
  const objects = new Objects(plane.kubeConfig());
  await objects.createNode({ name: "node-1", addresses: [node.address] });
  await createLoadBalancer(objects);
  config = configuration(plane.kubeconfigFile("proxy", plane.innerServer));
  kubeProxy = await startKubeProxy(config);
}, 900_000); // the first run builds Kubernetes

afterAll(async () => {
  await kubeProxy?.end();
  await plane?.stop();
  await cluster?.close();
  rmSync(directory, { recursive: true });
});

/** One ready endpoint here, one elsewhere. */
async function createLoadBalancer(objects: Objects): Promise<void> {
  await objects.createService({
    name: "web",
    spec: {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: HEALTH_CHECK_NODE_PORT,
      ports: [{ name: "http", port: 80 }],
    },
  });
  await objects.createSlice("web", 8080, ["10.1.1.10", "10.1.2.10"]);
  const conditions = { ready: true };
  await objects.patchSlice("web", {
    endpoints: [
      { addresses: ["10.1.1.10"], conditions, nodeName: "node-1" },
      { addresses: ["10.1.2.10"], conditions, nodeName: "node-2" },
    ],
  });
}

function configuration(kubeconfig: string): object {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "nftables",
    hostnameOverride: "node-1",
    clientConnection: { kubeconfig },
    detectLocalMode: "ClusterCIDR",
    clusterCIDR: "10.1.0.0/16",
    // Nothing to write into /proc/sys, which a container may not.
    conntrack: { maxPerCore: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  };
}

async function startKubeProxy(config: object): Promise<RunningProgram> {
  const programs = await buildControlPlane((line) => console.error(line));
  const file = join(directory, "config.json");
  writeFileSync(file, JSON.stringify(config));
  const enter = ["nsenter", `--net=/run/netns/${node.name}`, "--"];
  const command = [...enter, programs["kube-proxy"], "--config", file];
  const program = new RunningProgram("kube-proxy", command, join(directory, "log"));
  await eventually("kube-proxy's first sync", SYNC_DEADLINE_MS, async () => {
    program.assertRunning();
    return ask(HEALTH_CHECK_NODE_PORT, "/").then(
      ({ status }) => status === 200,
      () => false,
    );
  });
  return program;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const ASK = `
const [url] = process.argv.slice(1);
fetch(url).then(async (response) => {
  const { status, headers } = response;
  console.log(JSON.stringify({
    status, headers: Object.fromEntries(headers), body: await response.text(),
  }));
});`;

/** Asks from within the node: on its address for the health of a Service, else on loopback. */
async function ask(port: number, path: string): Promise<Answer> {
  const host = port === HEALTH_CHECK_NODE_PORT ? node.address : "127.0.0.1";
  const url = `http://${host}:${port}${path}`;
  const { stdout } = await node.exec(process.execPath, ["-e", ASK, url]);
  return JSON.parse(stdout) as Answer;
}

it("answers on a healthCheckNodePort as kube-proxy does", async () => {
  const service = { namespace: "default", name: "web", uid: "", port: HEALTH_CHECK_NODE_PORT };
  const check = { ...service, family: "IPv4" as const, localEndpoints: 1 };
  const ours = healthCheckAnswer(check, true);
  const theirs = await ask(HEALTH_CHECK_NODE_PORT, "/any/path");
  expect({ status: theirs.status, body: theirs.body }).toEqual({
    status: ours.status,
    body: ours.body,
  });
  expect(theirs.headers).toMatchObject({
    ...ours.headers,
    "content-type": "application/json",
    "x-content-type-options": "nosniff",
    "content-length": String(Buffer.byteLength(ours.body)),
  });
});

function beganHealth(): ProxyHealth {
  const clock = { now: () => 0, after: () => () => {} };
  const health = new ProxyHealth({ clock, timeoutMs: 60_000, families: ["IPv4", "IPv6"] });
  health.updated();
  return health;
}

/** What a JSON text is made of, in its order. */
function shapeOf(text: string): string {
  return text
    .replace(/"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)"/g, "TIME")
    .replace(/true|false/g, "BOOLEAN");
}

it("answers on /healthz and /livez with kube-proxy's fields", async () => {
  const health = beganHealth();
  const healthz = await ask(HEALTHZ_PORT, "/healthz");
  const livez = await ask(HEALTHZ_PORT, "/livez");
  expect(shapeOf(health.healthz(true).body)).toBe(shapeOf(healthz.body));
  expect(shapeOf(health.livez().body)).toBe(shapeOf(livez.body));
  expect([healthz.status, livez.status]).toEqual([200, 200]);
  expect(healthz.headers["content-type"]).toBe("application/json");
  const missing = await ask(HEALTHZ_PORT, "/nowhere");
  expect([missing.status, missing.body]).toEqual([404, "404 page not found\n"]);
});

it("says on /healthz alone that the node is about to go", async () => {
  const { core } = new Objects(plane.kubeConfig());
  const taint = { key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" };
  const options = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
  await core.patchNode({ name: "node-1", body: { spec: { taints: [taint] } } }, options);
  await eventually("503 from /healthz", SYNC_DEADLINE_MS, async () => {
    return (await ask(HEALTHZ_PORT, "/healthz")).status === 503;
  });
  const { nodeEligible, healthy } = JSON.parse((await ask(HEALTHZ_PORT, "/healthz")).body);
  const { body } = beganHealth().healthz(false);
  expect({ nodeEligible, healthy }).toEqual({ nodeEligible: false, healthy: true });
  expect(JSON.parse(body)).toMatchObject({ nodeEligible, healthy });
  expect((await ask(HEALTHZ_PORT, "/livez")).status).toBe(200);
  expect((await ask(HEALTH_CHECK_NODE_PORT, "/")).status).toBe(200);
  await core.patchNode({ name: "node-1", body: { spec: { taints: null } } }, options);
});

/** Metric → its type and what labels its samples have, `le` with its values. */
function metricsOf(text: string): Map<string, string> {
  const metrics = new Map<string, string>();
  const labels = new Map<string, Set<string>>();
  for (const line of text.split("\n")) {
    const [, name = "", type = ""] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name.startsWith("kubeproxy_")) metrics.set(name, type);
    const [, sample = "", given = ""] = /^(kubeproxy_[a-z_]+)\{(.*)\}/.exec(line) ?? [];
    const metric = sample.replace(/_(bucket|sum|count)$/, "");
    const seen = labels.get(metric) ?? new Set();
    for (const [, key = "", value = ""] of given.matchAll(/(\w+)="([^"]*)"/g)) {
      seen.add(key === "le" ? `le=${Number(value)}` : key);
    }
    labels.set(metric, seen);
  }
  for (const [name, type] of metrics) {
    metrics.set(name, `${type} ${[...(labels.get(name) ?? [])].sort().join(" ")}`.trim());
  }
  return metrics;
}

/** Has kube-proxy sync again, and measure how long the Pod's readiness took to get there. */
async function changeSomething(): Promise<void> {
  changes += 1;
  const objects = new Objects(plane.kubeConfig(), `shop-${changes}`);
  await objects.createNamespace();
  const selector = { app: "shop" };
  await objects.createService({ name: "shop", spec: { selector, ports: [{ port: 80 }] } });
  await objects.createPod({ name: "shop", nodeName: "node-1", ip: "10.1.1.11", labels: selector });
  const measured = /network_programming_duration_seconds_count\{ip_family="IPv4"\} [1-9]/;
  await eventually("kube-proxy's second sync", SYNC_DEADLINE_MS, async () => {
    return measured.test((await ask(METRICS_PORT, "/metrics")).body);
  });
}

/** All of ours, with every label in use. */
async function ourMetrics(): Promise<string> {
  const clock = { now: () => 1_000, after: () => () => {} };
  const metrics = new Metrics({ clock, families: ["IPv4", "IPv6"], version: "0" });
  metrics.sync.queued();
  const slice = { namespace: "a", name: "b", serviceName: "c", addressType: "IPv4" as const };
  const rest = { ports: [], endpoints: [], headlessLabel: false, lastChangeTriggerTime: 2_000 };
  metrics.sync.changed("EndpointSlice", undefined, { ...slice, ...rest });
  metrics.sync.began();
  metrics.sync.succeeded(0.1, true);
  metrics.sync.succeeded(0.1, false);
  metrics.healthAnswered("healthz", 200);
  metrics.healthAnswered("livez", 200);
  return metrics.text({
    tableVersion: 1,
    frontends: 0,
    backends: 0,
    services: 0,
    envoysConnected: 1,
    pluginBuild: "",
    problems: new Map(),
    watches: [],
    envoyRoom: undefined,
    ejected: undefined,
    localPolicyGaps: [],
  });
}

it("has kube-proxy's metrics, with their types, labels and buckets", async () => {
  await changeSomething();
  const theirs = metricsOf((await ask(METRICS_PORT, "/metrics")).body);
  const ours = metricsOf(await ourMetrics());
  // kube-proxy shows it from the first failure on.
  const quiet = "kubeproxy_sync_proxy_rules_nftables_sync_failures_total";
  expect(theirs.has(quiet)).toBe(false);
  expect(ours.get(quiet)).toBe("counter ip_family");
  ours.delete(quiet);
  const sorted = (metrics: Map<string, string>) => [...metrics].sort();
  expect(sorted(ours)).toEqual(sorted(theirs));
});

it("answers on the metrics port's other paths like kube-proxy", async () => {
  const plain = {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
  };
  expect(await ask(METRICS_PORT, "/healthz")).toMatchObject({
    status: 200,
    body: "ok",
    headers: plain,
  });
  expect(await ask(METRICS_PORT, "/proxyMode")).toMatchObject({
    status: 200,
    body: "nftables",
    headers: plain,
  });
  const theirs = JSON.parse((await ask(METRICS_PORT, "/configz")).body);
  expect(Object.keys(theirs)).toEqual(["kubeproxy.config.k8s.io"]);
  const { configuration } = configurationFromFile("config.json", JSON.stringify(config));
  const ours = kubeProxyConfiguration(configuration);
  const fields = Object.keys(theirs["kubeproxy.config.k8s.io"]).sort();
  expect(Object.keys(ours).sort()).toEqual(fields);
});
