// Pods whose network the real CNI plugins make: on a bridge, and by a link of their own, with a
// host port and the rules of `firewall`.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cniNetwork } from "../kubernetes/cni-network.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import {
  nodeObject,
  PorticoProcess,
  type ServiceSketch,
  serviceObjects,
} from "../real/portico-fixture.ts";

const HOST_PORT = 8_000;
const ROUTED = ["10.1.101.10", "fd00:1:101::10"];
const VIPS = {
  ...{ "pod-b": "10.96.0.10", "pod-d": "10.96.0.11", routed: "10.96.0.12", "pod-a": "10.96.0.13" },
};
type Backend = keyof typeof VIPS;
const BACKENDS = Object.keys(VIPS) as Backend[];

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
const pods = new Map<string, Namespace & { address: string }>();

beforeAll(async () => {
  const podNetwork = await cniNetwork({ ptp: ["routed"], hostPorts: { [HOST_PORT]: "pod-b" } });
  cluster = await makeCluster({
    nodes: [
      { name: "node-1", pods: { "pod-a": "auto", "pod-b": "auto", routed: ROUTED } },
      { name: "node-2", pods: { "pod-d": "auto" } },
    ],
    dualStack: true,
    podNetwork,
  });
  node = cluster.node("node-1");
  for (const each of cluster.nodes.values()) {
    for (const pod of each.pods.values()) pods.set(pod.label, pod);
  }
  await Promise.all([...pods.values()].map((pod) => pod.serve({ tcp: 8080, udp: 8080 })));
  portico = new PorticoProcess(node);
  const services = BACKENDS.flatMap((name) => [sketch(name, "TCP"), sketch(name, "UDP")]);
  portico.write([nodeObject("node-1", node.address), ...services.flatMap(serviceObjects)]);
  await portico.start(["--service-cidr", "10.96.0.0/16"]);
  await portico.synced(30_000);
}, 600_000); // the first run builds the plugins
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

function pod(name: string): Namespace & { address: string } {
  const found = pods.get(name);
  if (!found) throw new Error(`no Pod ${name}`);
  return found;
}

function sketch(name: Backend, protocol: "TCP" | "UDP"): ServiceSketch {
  return {
    ...{ name: `${name}-${protocol}`.toLowerCase(), clusterIP: VIPS[name], protocol },
    ...{ endpoints: [pod(name).address], nodeName: name === "pod-d" ? "node-2" : "node-1" },
  };
}

/** Who answers, and whom it sees. */
async function ask(from: Namespace, address: string, port: number, protocol: "TCP" | "UDP") {
  const dialer = await from.dialer();
  const { outcome, name, client } = await dialer.dialOnce(address, port, { protocol });
  return outcome === "answered" ? `${name} sees ${client.replace(/:\d+$/, "")}` : outcome;
}

describe.each(["TCP", "UDP"] as const)("over %s", (protocol) => {
  it.each(["pod-b", "pod-d", "routed"] as const)("a Pod on the bridge reaches %s", async (name) => {
    const seen = await ask(pod("pod-a"), VIPS[name], 80, protocol);
    expect(seen).toBe(`${name} sees ${pod("pod-a").address}`);
  });

  it.each(["pod-a", "pod-b", "pod-d"] as const)("a Pod with a link reaches %s", async (name) => {
    const seen = await ask(pod("routed"), VIPS[name], 80, protocol);
    expect(seen).toBe(`${name} sees ${pod("routed").address}`);
  });

  it("a Pod reaches itself", async () => {
    expect(await ask(pod("pod-a"), VIPS["pod-a"], 80, protocol)).toMatch(/^pod-a sees /);
  });

  it("the node reaches a Pod on the bridge", async () => {
    expect(await ask(node, VIPS["pod-b"], 80, protocol)).toMatch(/^pod-b sees /);
  });

  it("Pods reach each other without a Service", async () => {
    const { address } = pod("pod-d");
    const seen = await ask(pod("pod-a"), address, 8080, protocol);
    expect(seen).toBe(`pod-d sees ${pod("pod-a").address}`);
  });
});

it("a host port leads to its Pod as before", async () => {
  expect(await ask(cluster.outside, node.address, HOST_PORT, "TCP")).toMatch(/^pod-b sees /);
});
