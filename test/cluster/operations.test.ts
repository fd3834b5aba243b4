// What operators and load balancers see of Portico on a node of a real cluster: health, metrics,
// Events, settings from a KubeProxyConfiguration.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventsV1Api } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import { PorticoProcess } from "../real/portico-fixture.ts";
import { ControlPlane } from "./control-plane.ts";
import { Objects } from "./objects.ts";

const LAG_MS = 10_000;
const FIRST_NODE_PORT = 32_001;

let cluster: Cluster;
let node: ClusterNode;
let plane: ControlPlane;
let objects: Objects;
let portico: PorticoProcess;
/** Counts the tests, and each try of one: each has objects and a node port of its own. */
let tries = 0;
let healthCheckNodePort: number;
const directory = mkdtempSync(join(tmpdir(), "portico-operations-"));
const configFile = join(directory, "config.yaml");

beforeAll(async () => {
  cluster = await makeCluster({
    nodes: [{ name: "node-1", pods: { web: "auto" } }, { name: "node-2" }],
  });
  node = cluster.node("node-1");
  const other = cluster.node("node-2");
  const prefix = ["nsenter", `--net=/run/netns/${other.name}`, "--"];
  plane = await ControlPlane.start({ prefix, address: other.address });
  const admin = new Objects(plane.kubeConfig());
  await admin.createNode({ name: "node-1", addresses: [node.address] });
  portico = new PorticoProcess(node, plane.kubeconfigFile("proxy", plane.innerServer));
}, 900_000); // the first run builds Kubernetes

beforeEach(async () => {
  healthCheckNodePort = FIRST_NODE_PORT + tries;
  tries += 1;
  objects = new Objects(plane.kubeConfig(), `operations-${tries}`);
  await objects.createNamespace();
  if (portico.pid !== undefined) return;
  writeConfig("syncPeriod: 1s");
  await portico.start(["--config", configFile]);
  await portico.synced();
});

afterAll(async () => {
  await portico?.close();
  await plane?.stop();
  await cluster?.close();
  rmSync(directory, { recursive: true });
});

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(portico.log);
});

function writeConfig(nftables: string): void {
  const text = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
nftables: {${nftables}}
portRange: 30000-32767
`;
  writeFileSync(configFile, text);
}

const ASK = `fetch(process.argv[1]).then(async (response) => {
  console.log(response.status + " " + await response.text());
});`;

/** "200 body"; asked from within the node. */
async function ask(port: number, path = "/", host = "127.0.0.1"): Promise<string> {
  const url = `http://${host}:${port}${path}`;
  const { stdout } = await node.exec(process.execPath, ["-e", ASK, url], { allowFailure: true });
  return stdout.trimEnd();
}

function loadBalancer(name: string) {
  const ports = [{ name: "http", port: 80 }];
  const spec = { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort, ports };
  return objects.createService({ name, spec });
}

/** The one endpoint of "web" is on this node or on another. */
async function moveEndpoint(nodeName: string): Promise<void> {
  const { address } = node.pod("web");
  await objects.patchSlice("web", {
    endpoints: [{ addresses: [address], conditions: { ready: true }, nodeName }],
  });
}

it("answers a load balancer by whether the Service has an endpoint here", async () => {
  await loadBalancer("web");
  await objects.createSlice("web", 8080, [node.pod("web").address]);
  const asked = () => ask(healthCheckNodePort, "/", node.address);
  const answers = (start: string) => async () => (await asked()).startsWith(start);
  await moveEndpoint("node-1");
  await eventually("200 with an endpoint", LAG_MS, answers('200 {\n\t"service"'));
  await moveEndpoint("node-2");
  await eventually("503 without", LAG_MS, answers("503 {"));
  await objects.deleteService("web");
  await eventually("nobody after the Service is gone", LAG_MS, async () => (await asked()) === "");
});

it("tells of a healthCheckNodePort that is taken, in an Event on the Service", async () => {
  const squatter = node.spawn(process.execPath, [
    "-e",
    `require("net").createServer().listen(${healthCheckNodePort}, "${node.address}")`,
  ]);
  await eventually("the port is taken", LAG_MS, async () => {
    const { stdout } = await node.exec("ss", ["-Hltn", `sport = :${healthCheckNodePort}`]);
    return stdout !== "";
  });
  const { metadata } = await loadBalancer("api");
  const events = plane.kubeConfig().makeApiClient(EventsV1Api);
  const found = async () => {
    const { items } = await events.listNamespacedEvent({ namespace: objects.namespace });
    return items.find(({ regarding }) => regarding?.uid === metadata?.uid);
  };
  await eventually("an Event", LAG_MS, async () => (await found()) !== undefined);
  expect(await found()).toMatchObject({
    type: "Warning",
    reason: "FailedToStartServiceHealthcheck",
    note: expect.stringMatching(
      `^node node-1 failed to start healthcheck "${objects.namespace}/api" ` +
        `on port ${healthCheckNodePort}: `,
    ),
  });
  squatter.kill();
  const asked = () => ask(healthCheckNodePort, "/", node.address);
  await eventually("an answer when it is free", LAG_MS, async () => /^503/.test(await asked()));
});

it("says that it is healthy, and eligible, on every address", async () => {
  expect(await ask(10_256, "/healthz", node.address)).toMatch(/^200 .*"nodeEligible":true/);
  expect(await ask(10_256, "/livez", "[::1]")).toMatch(/^200 .*"healthy":true/);
});

it("measures, and passes Envoy's measures on", async () => {
  await objects.createService({
    name: "shop",
    spec: { selector: { app: "shop" }, ports: [{ port: 80 }] },
  });
  const labels = { app: "shop" };
  await objects.createPod({ name: "shop", nodeName: "node-1", ip: "10.1.1.99", labels });
  const programmed =
    /^kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} [1-9]/m;
  await eventually("a measured change", LAG_MS, async () =>
    programmed.test(await ask(10_249, "/metrics")),
  );
  const metrics = await ask(10_249, "/metrics");
  expect(metrics).toMatch(/^portico_table_version [1-9]/m);
  expect(metrics).toMatch(/^portico_table_pushes_total{kind="delta"} [1-9]/m);
  expect(metrics).toMatch(/^portico_xds_acks_total{type="[A-Z]+"} [1-9]/m);
  expect(metrics).toMatch(/^portico_watch_synced{kind="Service"} 1/m);
  expect(metrics).toMatch(/^portico_envoys_connected 1/m);
  expect(metrics).toMatch(/^kubeproxy_sync_proxy_rules_last_timestamp_seconds{.*} 1\d{9}/m);
  expect(await ask(10_249, "/metrics/envoy")).toMatch(/^portico_picks_total/m);
  expect(await ask(10_249, "/proxyMode")).toBe("200 portico");
});

it("runs with the settings of its file, and ends when they change", async () => {
  const logged = portico.log.length;
  const configz = JSON.parse((await ask(10_249, "/configz")).slice("200 ".length));
  expect(configz["kubeproxy.config.k8s.io"]).toMatchObject({
    mode: "nftables",
    hostnameOverride: "node-1",
    nftables: { syncPeriod: "1s" },
  });
  expect(portico.log).toContain("no effect in Portico: portRange");
  writeConfig("syncPeriod: 2s");
  expect(await portico.ended()).toBe(1);
  const since = portico.log.slice(logged);
  expect(since).toContain("content of the configuration file was updated");
});
