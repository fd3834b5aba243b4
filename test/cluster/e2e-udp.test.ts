// What Kubernetes' own tests ask of UDP Services (conntrack.go, networking.go, service.go), with a
// proxy on each node and the real endpoint slice controller.

import type { V1ServiceSpec } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import type { Objects } from "./objects.ts";
import { LAG_MS, ServedCluster, untilAnsweredBy, WEB } from "./served-cluster.ts";

const UDP = { name: "udp", port: 80, protocol: "UDP", targetPort: 8080 };
const TCP = { name: "tcp", port: 80, targetPort: 8080 };
/** As `nc -u -p 12345` in Kubernetes' tests: each flow has its own, and keeps it. */
const SOURCE_PORT = 12_345;

let served: ServedCluster;
let objects: Objects;
let here: Dialer;
let there: Dialer;
let host: Dialer;
let outside: Dialer;
let near: string;
let far: string;

beforeAll(async () => {
  served = await ServedCluster.start();
  here = await served.dialer("client-1");
  there = await served.dialer("client-2");
  host = await served.dialer("node-1");
  outside = await served.dialer("outside");
  near = served.addressOf("node-1");
  far = served.addressOf("node-2");
}, 900_000); // the first run builds Kubernetes

afterAll(() => served?.close());

afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(served.log);
  // A second try of this test asks for the same ports and addresses.
  return objects.deleteServices();
});

beforeEach(async () => {
  objects = await served.objects();
});

function doorsOf(spec: V1ServiceSpec | undefined) {
  const nodePorts = spec?.ports?.map(({ nodePort = 0 }) => nodePort) ?? [];
  return { address: spec?.clusterIP ?? "", nodePorts, nodePort: nodePorts[0] ?? 0 };
}

async function createWeb(spec: V1ServiceSpec = {}) {
  const all = { selector: WEB, ports: [UDP], ...spec };
  return doorsOf((await objects.createService({ name: "web", spec: all })).spec);
}

/** Who answers a datagram, or what else becomes of it. `localPort` 0: from a new port. */
async function ask(from: Dialer, address: string, port = 80, localPort = 0): Promise<string> {
  const options = { protocol: "UDP", timeoutMs: 400, localPort } as const;
  const { outcome, name } = await from.dialOnce(address, port, options);
  return name || outcome;
}

type Question = readonly [from: Dialer, address: string, port?: number, localPort?: number];

async function untilSays(answer: string, ...question: Question): Promise<void> {
  let said = "";
  await eventually(`${question[1]}:${question[2] ?? 80}/UDP: ${answer}`, LAG_MS, async () => {
    said = await ask(...question);
    return said === answer;
  }).catch((error: Error) => {
    throw new Error(`${error.message}; said last: ${said}`);
  });
}

/** Until several new ports are answered by exactly these. */
async function untilSpread(names: readonly string[], from: Dialer, address: string, port = 80) {
  await eventually(`${address}:${port}/UDP by [${names}]`, LAG_MS, async () => {
    const options = { protocol: "UDP", timeoutMs: 400, tries: 12 } as const;
    const seen = new Set((await from.dial(address, port, options)).map(({ name }) => name));
    return seen.size === names.length && names.every((name) => seen.has(name));
  });
}

it.each([
  ["a cluster IP", {}],
  ["a node port", { type: "NodePort" }],
  ["a cluster IP, internalTrafficPolicy Local", { internalTrafficPolicy: "Local" }],
  ["a cluster IP, from the host network", {}],
])("a flow moves to the next Pod when its own cycles: %s", async (door, spec) => {
  await objects.createPod(served.pod("web-1"));
  const { address, nodePort } = await createWeb(spec);
  const from = door.includes("host") ? host : here;
  const question: Question = nodePort
    ? [from, near, nodePort, SOURCE_PORT]
    : [from, address, 80, SOURCE_PORT];
  await untilSays("web-1", ...question);
  await objects.createPod(served.pod("web-2"));
  await objects.deletePod("web-1", 300);
  await untilSpread(["web-2"], from, question[1], question[2]);
  expect(await ask(...question), "it still serves").toBe("web-1");
  await objects.deletePod("web-1");
  await untilSays("web-2", ...question);
});

it("a flow begins to be answered from the same port when an unready Pod gets ready", async () => {
  await objects.createPod(served.pod("web-1", { ready: false }));
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  const questions: Question[] = [
    [here, address, 80, SOURCE_PORT + 1],
    [there, near, nodePort, SOURCE_PORT + 1],
    [outside, far, nodePort, SOURCE_PORT + 1],
  ];
  for (const question of questions) await untilSays("refused", ...question);
  await objects.setPodReady("web-1", true);
  for (const question of questions) await untilSays("web-1", ...question);
});

it("every door leads Pods, hosts and strangers to all endpoints", async () => {
  for (const name of ["web-1", "web-3"] as const) await objects.createPod(served.pod(name));
  const { address, nodePort } = await createWeb({
    type: "NodePort",
    externalIPs: ["203.0.113.251"],
  });
  for (const from of [here, there, host, await served.dialer("web-1")]) {
    await untilSpread(["web-1", "web-3"], from, address);
    for (const node of [near, far]) await untilSpread(["web-1", "web-3"], from, node, nodePort);
  }
  await untilSpread(["web-1", "web-3"], outside, near, nodePort);
  await untilSpread(["web-1", "web-3"], here, "203.0.113.251");
});

it("datagrams of 2,000 and of 65,507 bytes pass", async () => {
  await objects.createPod(served.pod("web-1"));
  await objects.createPod(served.pod("web-3"));
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  await untilSpread(["web-1", "web-3"], here, address);
  for (const bytes of [2_000, 65_507]) {
    for (const [from, door, port] of [
      [here, address, 80],
      [outside, near, nodePort],
    ] as const) {
      const results = await from.dial(door, port, { protocol: "UDP", bytes, tries: 6 });
      expect(results.map(({ outcome }) => outcome)).toEqual(Array(6).fill("answered"));
    }
  }
});

it("TCP and UDP on the same port: each takes its own way, and goes alone", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address, nodePorts } = await createWeb({ type: "NodePort", ports: [TCP, UDP] });
  const [tcpPort = 0, udpPort = 0] = nodePorts;
  await untilAnsweredBy(["web-1"], here, address);
  await untilSays("web-1", here, address);
  await untilAnsweredBy(["web-1"], there, near, tcpPort);
  await untilSays("web-1", there, near, udpPort);
  await objects.patchService("web", { spec: { ports: [TCP] } });
  await untilSays("refused", here, address);
  await untilAnsweredBy(["web-1"], here, address);
  await objects.patchService("web", { spec: { ports: [UDP] } });
  await untilSays("web-1", here, address);
  expect((await here.dialOnce(address, 80)).outcome).toBe("refused");
});

it("ClusterIP to NodePort to LoadBalancer and back, and another node port", async () => {
  await objects.createPod(served.pod("web-1"));
  const { address } = await createWeb();
  await untilSays("web-1", here, address, 80, SOURCE_PORT + 2);
  const patch = async (spec: object) => doorsOf((await objects.patchService("web", { spec })).spec);
  const { nodePort } = await patch({ type: "NodePort" });
  await untilSays("web-1", outside, near, nodePort);
  await patch({ type: "LoadBalancer" });
  const moved = nodePort === 31_221 ? 31_222 : 31_221;
  await patch({ ports: [{ ...UDP, nodePort: moved }] });
  await untilSays("web-1", outside, far, moved);
  await untilSays("refused", outside, near, nodePort);
  await patch({ type: "ClusterIP", allocateLoadBalancerNodePorts: null });
  await untilSays("refused", outside, near, moved);
  expect(await ask(here, address, 80, SOURCE_PORT + 2)).toBe("web-1");
});

it("session affinity holds for datagrams, and is switched on and off", async () => {
  for (const name of ["web-1", "web-2", "web-3"] as const) {
    await objects.createPod(served.pod(name));
  }
  const all = ["web-1", "web-2", "web-3"];
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  await untilSpread(all, here, address);
  for (const [from, door, port] of [
    [here, address, 80],
    [outside, near, nodePort],
  ] as const) {
    await objects.patchService("web", { spec: { sessionAffinity: "ClientIP" } });
    await eventually("one backend for all", LAG_MS, async () => {
      const options = { protocol: "UDP", tries: 16 } as const;
      const results = await from.dial(door, port, options);
      return new Set(results.map(({ name }) => name)).size === 1;
    });
    await objects.patchService("web", { spec: { sessionAffinity: "None" } });
    await untilSpread(all, from, door, port);
  }
});

it("Pods in the host network answer datagrams", async () => {
  for (const node of ["node-1", "node-2"] as const) {
    await objects.createPod(served.pod(node, { name: `host-${node}` }));
  }
  const { address, nodePort } = await createWeb({ type: "NodePort" });
  for (const from of [here, there, host]) await untilSpread(["node-1", "node-2"], from, address);
  await untilSpread(["node-1", "node-2"], outside, near, nodePort);
});

it("datagrams are refused without endpoints and on an undefined port, the host's too", async () => {
  const { address } = await createWeb();
  for (const from of [here, host]) {
    await untilSays("refused", from, address);
    await untilSays("refused", from, address, 81);
  }
});
