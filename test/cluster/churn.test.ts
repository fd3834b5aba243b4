// A cluster that does not stand still, under traffic: Services change their type, ports, policies,
// labels, are deleted and made again; endpoints come and go. Connections that are open live on,
// new ones obey, and nobody else notices.

import type { V1ServiceSpec } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { Dialer } from "../namespaces/dialer.ts";
import type { Objects } from "./objects.ts";
import {
  type PodName,
  ServedCluster,
  untilAnsweredBy,
  untilOutcome,
  WEB,
} from "./served-cluster.ts";
import { type Door, Traffic } from "./traffic.ts";

let served: ServedCluster;
let objects: Objects;
let here: Dialer;
let there: Dialer;
let outside: Dialer;
/** To the Service under test, and to one that nothing is done to. */
let traffic: Traffic;
let bystanders: Traffic;
let bystanderDoors: Door[];

const HTTP = { name: "http", port: 80, targetPort: "http" };
const ADMIN = { name: "admin", port: 81, targetPort: "admin" };

beforeAll(async () => {
  served = await ServedCluster.start();
  here = await served.dialer("client-1");
  there = await served.dialer("client-2");
  outside = await served.dialer("outside");
  const others = await served.objects();
  const labels = { app: "bystander" };
  await others.createPod(served.pod("web-2", { labels }));
  await others.createPod(served.pod("web-4", { labels }));
  const spec = { type: "NodePort", selector: labels, ports: [HTTP] };
  const service = await others.createService({ name: "bystander", spec });
  const { address, nodePort } = frontDoors(service.spec);
  const nodeAddress = served.addressOf("node-1");
  bystanderDoors = [
    { from: here, address, port: 80 },
    { from: there, address, port: 80 },
    { from: outside, address: nodeAddress, port: nodePort },
  ];
  for (const { from, ...door } of bystanderDoors) {
    await untilAnsweredBy(["web-2", "web-4"], from, door.address, door.port);
  }
}, 900_000); // the first run builds Kubernetes

afterAll(() => served?.close());

beforeEach(async () => {
  objects = await served.objects();
  traffic = new Traffic();
  bystanders = new Traffic();
  await bystanders.hold(...bystanderDoors);
  await bystanders.stream(...bystanderDoors);
});

afterEach(async (context) => {
  // A second try of this test asks for the same node port.
  await objects.deleteServices();
  const isFailed = context.task.result?.state === "fail";
  if (isFailed) {
    console.log(served.log);
    await traffic.stop().catch(() => {});
  }
  expect(await bystanders.stop(), "what connections to another Service saw").toEqual(["answered"]);
});

function frontDoors(spec: V1ServiceSpec | undefined) {
  return { address: spec?.clusterIP ?? "", nodePort: spec?.ports?.[0]?.nodePort ?? 0 };
}

/** The Service "web" with web-1 here and web-3 on the other node, once it is served. */
async function createWeb(spec: V1ServiceSpec = {}) {
  await objects.scale(WEB, [served.pod("web-1"), served.pod("web-3")]);
  const service = { name: "web", spec: { selector: WEB, ports: [HTTP], ...spec } };
  const doors = frontDoors((await objects.createService(service)).spec);
  await untilAnsweredBy(["web-1", "web-3"], here, doors.address);
  await untilAnsweredBy(["web-1", "web-3"], there, doors.address);
  return doors;
}

async function patchWeb(spec: object) {
  return frontDoors((await objects.patchService("web", { spec })).spec);
}

const BOTH = ["web-1", "web-3"];

it("endpoints come and go: no new connection fails, none that is open ends", async () => {
  const { address } = await createWeb();
  const door = { from: here, address, port: 80 };
  await traffic.hold(...Array<Door>(6).fill(door));
  await traffic.stream(door, { ...door, from: there });
  const plans: PodName[][] = [
    ["web-1"],
    ["web-1", "web-2", "web-3", "web-4"],
    ["web-4"],
    ["web-3", "web-4"], // the next ones first, as in a rolling update
    ["web-3"],
    ["web-1", "web-3"],
  ];
  for (const names of [...plans, ...plans]) {
    await objects.scale(
      WEB,
      names.map((name) => served.pod(name)),
    );
    await untilAnsweredBy(names, here, address);
    await untilAnsweredBy(names, there, address);
    await traffic.echo();
  }
  expect(await traffic.stop()).toEqual(["answered"]);
});

it("ClusterIP to NodePort to LoadBalancer and back: the cluster IP does not notice", async () => {
  const { address } = await createWeb();
  const door = { from: here, address, port: 80 };
  const nodeAddress = served.addressOf("node-1");
  await traffic.hold(door, { ...door, from: there });
  await traffic.stream(door);
  const { nodePort } = await patchWeb({ type: "NodePort" });
  await untilAnsweredBy(BOTH, outside, nodeAddress, nodePort);
  await traffic.hold({ from: outside, address: nodeAddress, port: nodePort });
  await patchWeb({ type: "LoadBalancer" });
  await untilAnsweredBy(BOTH, outside, nodeAddress, nodePort);
  await patchWeb({ type: "ClusterIP" });
  await untilOutcome("refused", outside, nodeAddress, nodePort);
  await traffic.echo();
  const again = await patchWeb({ type: "NodePort" });
  await untilAnsweredBy(BOTH, outside, nodeAddress, again.nodePort);
  expect(await traffic.stop()).toEqual(["answered"]);
});

it("a Service that becomes an ExternalName is nobody's, until it comes back", async () => {
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  const nodeAddress = served.addressOf("node-2");
  const atNode = { from: outside, address: nodeAddress, port: nodePort };
  await untilAnsweredBy(BOTH, outside, nodeAddress, nodePort);
  await traffic.hold({ from: here, address, port: 80 }, atNode);
  await traffic.stream({ from: here, address, port: 80 }, atNode);
  await patchWeb({ type: "ExternalName", externalName: "example.com" });
  await untilOutcome("timeout", here, address);
  await untilOutcome("refused", outside, nodeAddress, nodePort);
  await traffic.echo();
  const clusterIP = await patchWeb({ type: "ClusterIP", externalName: null });
  await untilAnsweredBy(BOTH, here, clusterIP.address);
  await patchWeb({ type: "ExternalName", externalName: "example.com" });
  await untilOutcome("timeout", here, clusterIP.address);
  const node = await patchWeb({ type: "NodePort", externalName: null });
  await untilAnsweredBy(BOTH, outside, nodeAddress, node.nodePort);
  await untilAnsweredBy(BOTH, here, node.address);
  const outcomes = await traffic.stop();
  expect(outcomes).toContain("answered");
  expect(outcomes.filter((each) => !["answered", "refused", "timeout"].includes(each))).toEqual([]);
});

it("ports are added, renumbered, removed: each takes effect, and the others go on", async () => {
  const { address } = await createWeb();
  await traffic.hold({ from: here, address, port: 80 });
  await traffic.stream({ from: here, address, port: 80 });
  await untilOutcome("refused", here, address, 81);
  await patchWeb({ ports: [HTTP, ADMIN] });
  await untilAnsweredBy(BOTH, here, address, 81);
  await traffic.hold({ from: here, address, port: 81 });
  await patchWeb({ ports: [HTTP, { ...ADMIN, port: 82 }] });
  await untilAnsweredBy(BOTH, here, address, 82);
  await untilOutcome("refused", here, address, 81);
  await patchWeb({ ports: [HTTP, { ...ADMIN, port: 82, targetPort: "http" }] });
  await untilAnsweredBy(BOTH, here, address, 82);
  await patchWeb({ ports: [HTTP] });
  await untilOutcome("refused", here, address, 82);
  expect(await traffic.stop()).toEqual(["answered"]);
});

it("the only port of a Service is renumbered: the old one is refused at once", async () => {
  const { address } = await createWeb();
  await traffic.hold({ from: here, address, port: 80 });
  await traffic.stream({ from: here, address, port: 80 });
  await patchWeb({ ports: [{ ...HTTP, port: 8080 }] });
  await untilAnsweredBy(BOTH, here, address, 8080);
  await untilOutcome("refused", here, address);
  await patchWeb({ ports: [HTTP] });
  await untilAnsweredBy(BOTH, here, address);
  await untilOutcome("refused", here, address, 8080);
  expect(await traffic.stop()).toEqual(["answered", "refused"]);
});

it("another node port: the old one is nobody's, and what came through it lives on", async () => {
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  const nodeAddress = served.addressOf("node-1");
  await untilAnsweredBy(BOTH, outside, nodeAddress, nodePort);
  await traffic.hold({ from: outside, address: nodeAddress, port: nodePort });
  await traffic.stream({ from: here, address, port: 80 });
  const moved = nodePort === 31_111 ? 31_112 : 31_111;
  await patchWeb({ ports: [{ ...HTTP, nodePort: moved }] });
  await untilAnsweredBy(BOTH, outside, nodeAddress, moved);
  await untilOutcome("refused", outside, nodeAddress, nodePort);
  expect(await traffic.stop()).toEqual(["answered"]);
});

it("internalTrafficPolicy goes to Local and back", async () => {
  const { address } = await createWeb();
  await objects.scale(WEB, [served.pod("web-1")]);
  await untilAnsweredBy(["web-1"], there, address);
  await traffic.hold({ from: here, address, port: 80 }, { from: there, address, port: 80 });
  await traffic.stream({ from: here, address, port: 80 });
  for (let round = 0; round < 2; round += 1) {
    await patchWeb({ internalTrafficPolicy: "Local" });
    await untilOutcome("timeout", there, address);
    await traffic.echo();
    await patchWeb({ internalTrafficPolicy: "Cluster" });
    await untilAnsweredBy(["web-1"], there, address);
  }
  expect(await traffic.stop()).toEqual(["answered"]);
});

it("externalTrafficPolicy goes to Local and back", async () => {
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  await objects.scale(WEB, [served.pod("web-1")]);
  const [near, far] = [served.addressOf("node-1"), served.addressOf("node-2")];
  await untilAnsweredBy(["web-1"], outside, far, nodePort);
  await traffic.hold(
    { from: outside, address: near, port: nodePort },
    { from: outside, address: far, port: nodePort },
  );
  await traffic.stream(
    { from: outside, address: near, port: nodePort },
    { from: there, address: far, port: nodePort }, // a Pod of that node: short-circuited
    { from: there, address, port: 80 },
  );
  for (let round = 0; round < 2; round += 1) {
    await patchWeb({ externalTrafficPolicy: "Local" });
    await untilOutcome("timeout", outside, far, nodePort);
    const { client } = await outside.dialOnce(near, nodePort);
    expect(client).toMatch(/^192\.0\.2\.200:/);
    await traffic.echo();
    await patchWeb({ externalTrafficPolicy: "Cluster" });
    await untilAnsweredBy(["web-1"], outside, far, nodePort);
  }
  expect(await traffic.stop()).toEqual(["answered"]);
});

it("session affinity goes on and off", async () => {
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  const nodeAddress = served.addressOf("node-1");
  await traffic.hold(...Array<Door>(4).fill({ from: here, address, port: 80 }));
  await traffic.stream({ from: here, address, port: 80 });
  for (let round = 0; round < 2; round += 1) {
    await patchWeb({ sessionAffinity: "ClientIP" });
    await untilOneAnswers(here, address, 80);
    await untilOneAnswers(outside, nodeAddress, nodePort);
    await patchWeb({ sessionAffinity: "None" });
    await untilAnsweredBy(BOTH, here, address);
    await untilAnsweredBy(BOTH, outside, nodeAddress, nodePort);
  }
  expect(await traffic.stop()).toEqual(["answered"]);
});

async function untilOneAnswers(from: Dialer, address: string, port: number): Promise<void> {
  await expect
    .poll(
      async () => {
        const results = await from.dial(address, port, { tries: 16 });
        return new Set(results.map(({ name }) => name)).size;
      },
      { timeout: 10_000, interval: 20 },
    )
    .toBe(1);
}

it("the label service-proxy-name comes and goes", async () => {
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  const nodeAddress = served.addressOf("node-1");
  const doors = [
    { from: here, address, port: 80 },
    { from: outside, address: nodeAddress, port: nodePort },
  ];
  await traffic.hold(...doors);
  await traffic.stream(...doors);
  const labels = (value: string | null) => ({
    metadata: { labels: { "service.kubernetes.io/service-proxy-name": value } },
  });
  for (let round = 0; round < 2; round += 1) {
    await objects.patchService("web", labels("another"));
    await untilOutcome("timeout", here, address);
    await untilOutcome("refused", outside, nodeAddress, nodePort);
    await traffic.echo();
    await objects.patchService("web", labels(null));
    await untilAnsweredBy(BOTH, here, address);
    await untilAnsweredBy(BOTH, outside, nodeAddress, nodePort);
  }
  const outcomes = await traffic.stop();
  expect(outcomes.filter((each) => !["answered", "refused", "timeout"].includes(each))).toEqual([]);
});

it("the label headless comes and goes on a slice; on its Service it is nothing", async () => {
  const label = (value: string | null) => ({
    metadata: { labels: { "service.kubernetes.io/headless": value } },
  });
  const { spec } = await objects.createService({ name: "web", spec: { ports: [HTTP] } });
  const { address } = frontDoors(spec);
  await objects.createSlice("web", 8080, [served.addressOf("web-1")]);
  await untilAnsweredBy(["web-1"], here, address);
  await traffic.hold({ from: here, address, port: 80 });
  await objects.patchService("web", label(""));
  for (let round = 0; round < 2; round += 1) {
    await objects.patchSlice("web", label(""));
    await untilOutcome("refused", here, address);
    await traffic.echo();
    await objects.patchSlice("web", label(null));
    await untilAnsweredBy(["web-1"], here, address);
  }
  expect(await traffic.stop()).toEqual([]);
});

it("deleted and made again, with another and with the same cluster IP", async () => {
  const { address } = await createWeb();
  await traffic.hold({ from: here, address, port: 80 }, { from: there, address, port: 80 });
  await traffic.stream({ from: here, address, port: 80 });
  await objects.deleteService("web");
  await untilOutcome("timeout", here, address);
  await traffic.echo();
  const spec = { selector: WEB, ports: [HTTP] };
  const other = frontDoors((await objects.createService({ name: "web", spec })).spec);
  expect(other.address).not.toBe(address);
  await untilAnsweredBy(BOTH, here, other.address);
  await untilOutcome("timeout", here, address);
  await objects.deleteService("web");
  const again = { name: "web", spec: { ...spec, clusterIP: address } };
  await objects.createService(again);
  await untilAnsweredBy(BOTH, here, address);
  await objects.deleteService("web");
  await objects.createService(again); // without waiting in between
  await untilAnsweredBy(BOTH, there, address);
  const outcomes = await traffic.stop();
  expect(outcomes.filter((each) => !["answered", "refused", "timeout"].includes(each))).toEqual([]);
});

it.each(["Cluster", "Local"])(
  "a rolling update behind externalTrafficPolicy %s",
  async (policy) => {
    const old = (["web-1", "web-3"] as const).map((name) => served.pod(name));
    const spec = { type: "LoadBalancer", externalTrafficPolicy: policy };
    const { address, nodePort } = await createWeb(spec);
    const nodes = [served.addressOf("node-1"), served.addressOf("node-2")];
    const doors = nodes.map((node) => ({ from: outside, address: node, port: nodePort }));
    doors.push({ from: here, address, port: 80 });
    const seenBy = (names: readonly string[], index: number) =>
      policy === "Local" ? names.slice(index, index + 1) : names;
    const untilSeen = async (names: readonly string[]) => {
      for (const [index, node] of nodes.entries()) {
        await untilAnsweredBy(seenBy(names, index), outside, node, nodePort);
      }
      await untilAnsweredBy(names, here, address);
    };
    await untilSeen(["web-1", "web-3"]);
    await traffic.hold(...doors);
    await traffic.stream(...doors);
    for (const name of ["web-2", "web-4"] as const) {
      await objects.createPod(served.pod(name, { ready: false }));
      await objects.setPodReady(name, true);
    }
    for (const { name } of old) await objects.deletePod(name, 300);
    await untilSeen(["web-2", "web-4"]);
    for (const { name } of old) await objects.setPodReady(name, false);
    for (const { name } of old) await objects.deletePod(name);
    await untilSeen(["web-2", "web-4"]);
    expect(await traffic.stop()).toEqual(["answered"]);
  },
);
