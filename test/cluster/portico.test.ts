// Portico on a node of a real cluster: real API server, EndpointSlices made by the real controller,
// Pods that are API objects and namespaces that answer, real Envoy, real rules.

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import type { Outcome } from "../namespaces/messages.ts";
import { notEmpty } from "../not-empty.ts";
import { PorticoProcess } from "../real/portico-fixture.ts";
import { ControlPlane } from "./control-plane.ts";
import { Objects } from "./objects.ts";

const LAG_MS = 10_000;
const WEB = { app: "web" };

let cluster: Cluster;
let node: ClusterNode;
let plane: ControlPlane;
let portico: PorticoProcess;
let objects: Objects;
let client: Dialer;
let namespaceCount = 0;

beforeAll(async () => {
  cluster = await makeCluster({
    nodes: [
      { name: "node-1", pods: { client: "auto", "web-1": "auto", "web-2": "auto" } },
      { name: "node-2", pods: { "web-3": "auto" } },
    ],
  });
  node = cluster.node("node-1");
  const other = cluster.node("node-2");
  const serving = [node.pod("web-1"), node.pod("web-2"), other.pod("web-3")];
  await Promise.all(serving.map((pod) => pod.serve({ tcp: [8080, 9090] })));
  const prefix = ["nsenter", `--net=/run/netns/${other.name}`, "--"];
  plane = await ControlPlane.start({ prefix, address: other.address });
  const admin = new Objects(plane.kubeConfig());
  await admin.createNode({ name: "node-1", addresses: [node.address] });
  await admin.createNode({ name: "node-2", addresses: [other.address] });
  portico = new PorticoProcess(node, plane.kubeconfigFile("proxy", plane.innerServer));
  await portico.start();
  await portico.synced();
  client = await node.pod("client").dialer();
}, 900_000); // the first run builds Kubernetes

afterAll(async () => {
  await portico?.close();
  await plane?.stop();
  await cluster?.close();
});

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(portico.log);
});

beforeEach(async () => {
  // A try that failed may have ended the one or the other.
  await plane.startApiServer();
  if (portico.pid === undefined) await portico.start();
  namespaceCount += 1;
  objects = new Objects(plane.kubeConfig(), `traffic-${namespaceCount}`);
  await objects.createNamespace();
});

function webPod(name: "web-1" | "web-2" | "web-3") {
  const home = name === "web-3" ? cluster.node("node-2") : node;
  const ports = [
    { name: "http", containerPort: 8080 },
    { name: "admin", containerPort: 9090 },
  ];
  return { name, nodeName: home.label, ip: home.pod(name).address, labels: WEB, ports };
}

async function createWeb(type = "ClusterIP") {
  const ports = [
    { name: "http", port: 80, targetPort: "http" },
    { name: "admin", port: 81, targetPort: "admin" },
  ];
  const { spec } = await objects.createService({
    name: "web",
    spec: { type, selector: WEB, ports },
  });
  return { address: spec?.clusterIP ?? "", nodePort: spec?.ports?.[0]?.nodePort ?? 0 };
}

/** Until connections are answered by exactly these Pods; none: until they are refused. */
async function untilAnsweredBy(names: readonly string[], address: string, port = 80) {
  await eventually(`${address}:${port} answered by [${names}]`, LAG_MS, async () => {
    const results = await client.dial(address, port, { tries: names.length === 0 ? 1 : 12 });
    const outcome: Outcome = names.length === 0 ? "refused" : "answered";
    const seen = new Set(results.map(({ name }) => name));
    if (!results.every((result) => result.outcome === outcome)) return false;
    return names.length === 0 || (seen.size === names.length && names.every((n) => seen.has(n)));
  });
}

it("serves a Service from no Pod to three and back, refused in between", async () => {
  const { address } = await createWeb();
  await untilAnsweredBy([], address);
  await objects.scale(WEB, [webPod("web-1")]);
  await untilAnsweredBy(["web-1"], address);
  await objects.scale(WEB, [webPod("web-1"), webPod("web-2"), webPod("web-3")]);
  await untilAnsweredBy(["web-1", "web-2", "web-3"], address);
  await untilAnsweredBy(["web-1", "web-2", "web-3"], address, 81);
  await objects.scale(WEB, []);
  await untilAnsweredBy([], address);
});

it("keeps the client Pod's address, and masquerades node ports", async () => {
  await objects.scale(WEB, [webPod("web-1"), webPod("web-3")]);
  const { address, nodePort } = await createWeb("NodePort");
  await untilAnsweredBy(["web-1", "web-3"], address);
  const inside = await client.dial(address, 80, { tries: 10 });
  const clientAddress = node.pod("client").address;
  expect(new Set(inside.map((r) => r.client.split(":")[0]))).toEqual(new Set([clientAddress]));
  const outside = await (await cluster.outside.dialer()).dial(node.address, nodePort, {
    tries: 10,
  });
  expect(outside.map(({ outcome }) => outcome)).toEqual(Array(10).fill("answered"));
  const remote = outside.filter(({ name }) => name === "web-3");
  expect(new Set(remote.map((r) => r.client.split(":")[0]))).toEqual(new Set([node.address]));
});

it("leaves out a Pod that is not ready, and takes it back", async () => {
  await objects.scale(WEB, [webPod("web-1"), webPod("web-2")]);
  const { address } = await createWeb();
  await untilAnsweredBy(["web-1", "web-2"], address);
  await objects.setPodReady("web-2", false);
  await untilAnsweredBy(["web-1"], address);
  await objects.setPodReady("web-2", true);
  await untilAnsweredBy(["web-1", "web-2"], address);
});

it("refuses an undefined port of a ClusterIP, and drops an address that is nobody's", async () => {
  const { address } = await createWeb();
  await untilAnsweredBy([], address);
  expect((await client.dialOnce(address, 4321)).outcome).toBe("refused");
  expect((await client.dialOnce("10.96.255.77", 80, { timeoutMs: 500 })).outcome).toBe("timeout");
});

it("goes on where it was after it was killed, whatever happened meanwhile", async () => {
  await objects.scale(WEB, [webPod("web-1")]);
  const { address } = await createWeb();
  await untilAnsweredBy(["web-1"], address);
  await portico.end("SIGKILL");
  await objects.scale(WEB, [webPod("web-2")]);
  expect((await client.dialOnce(address, 80)).name).toBe("web-1");
  await portico.start();
  await untilAnsweredBy(["web-2"], address);
});

it("lets the API server be gone under traffic, and applies what changed", async () => {
  const ports = [{ name: "http", port: 80 }];
  const { spec } = await objects.createService({ name: "manual", spec: { ports } });
  const address = spec?.clusterIP ?? "";
  // A slice by hand: the cluster's own controllers take half a minute to come back.
  await objects.createSlice("manual", 8080, [node.pod("web-1").address]);
  await untilAnsweredBy(["web-1"], address);
  const load = await client.load(address, 80, 2);
  await plane.stopApiServer();
  // After 16 s every watch waits as long between two tries as it ever does.
  await new Promise((resolve) => setTimeout(resolve, 30_000));
  const { watches } = await portico.status();
  for (const { kind, error } of notEmpty(watches, "watches")) expect(error, kind).not.toBe("");
  await plane.startApiServer();
  await objects.patchSlice("manual", { endpoints: [{ addresses: [node.pod("web-2").address] }] });
  await eventually("the change after the outage", 30_000, async () => {
    const results = await client.dial(address, 80, { tries: 12 });
    return notEmpty(results, "results").every(({ name }) => name === "web-2");
  });
  const { outcomes } = await load.stop();
  expect(Object.keys(outcomes)).toEqual(["answered"]);
}, 180_000);
