// Pods that are ports of a bridge, as the CNI plugin of that name makes them: where they reach
// Services, and where not. `portico check` says so of a node.
//
//    node-1   a, b on cni0; routed, a Pod with a link of its own

import { afterAll, beforeAll, expect, it } from "vitest";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { Namespace } from "../namespaces/namespace.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const ON_BRIDGE = { name: "on-bridge", clusterIP: "10.96.0.10", endpoints: ["10.1.9.11"] };
const ROUTED_IP = "10.96.0.11";
const LAG_MS = 30_000;
/** Of a connection that nobody answers. */
const IN_VAIN_MS = 2_000;

let cluster: Cluster;
let node: ClusterNode;
let client: Namespace;
let portico: PorticoProcess;

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "node-1", pods: { routed: "auto" } }));
  await sh(node, "ip link add cni0 type bridge && ip link set cni0 up");
  await sh(node, "ip address add 10.1.9.1/24 dev cni0");
  client = await bridged("a", "10.1.9.10");
  const server = await bridged("b", "10.1.9.11");
  const routed = node.pod("routed");
  await Promise.all([server.serve({ tcp: 8080 }), routed.serve({ tcp: 8080 })]);
  portico = new PorticoProcess(node);
  const other = { name: "routed", clusterIP: ROUTED_IP, endpoints: [routed.address] };
  const services = [ON_BRIDGE, other].flatMap(serviceObjects);
  portico.write([nodeObject("node-1", node.address), ...services]);
});

afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

async function sh(where: Namespace, script: string): Promise<void> {
  await where.exec("sh", ["-c", script]);
}

async function bridged(label: string, address: string): Promise<Namespace> {
  const pod = new Namespace(`${node.name}-${label}`, label);
  await sh(node, `ip netns add ${pod.name}`);
  await sh(node, `ip link add port-${label} type veth peer name eth0 netns ${pod.name}`);
  await sh(node, `ip link set port-${label} master cni0 up`);
  await sh(
    pod,
    `ip link set lo up && ip link set eth0 up && ip address add ${address}/24 dev eth0`,
  );
  await sh(pod, "ip route add default via 10.1.9.1");
  return pod;
}

/** False where the kernel has no such setting, which is as good as off. */
async function callIptables(value: 0 | 1): Promise<boolean> {
  const script = `echo ${value} > /proc/sys/net/bridge/bridge-nf-call-iptables`;
  const { code } = await node.exec("sh", ["-c", script], { allowFailure: true });
  return code === 0;
}

async function outcome(address: string, timeoutMs: number): Promise<string> {
  return (await (await client.dialer()).dialOnce(address, 80, { timeoutMs })).outcome;
}

async function restart(...flags: string[]): Promise<void> {
  await portico.end("SIGTERM");
  await portico.command("cleanup");
  await portico.start(flags);
  await portico.synced(LAG_MS);
}

it("do not get answers from each other by default", async () => {
  await callIptables(0);
  await restart();
  expect(await outcome(ROUTED_IP, LAG_MS)).toBe("answered");
  expect(await outcome(ON_BRIDGE.clusterIP, IN_VAIN_MS)).toBe("timeout");
});

it("do, when everybody is masqueraded and the bridge does not call iptables", async () => {
  await callIptables(0);
  await restart("--masquerade-all");
  expect(await outcome(ROUTED_IP, LAG_MS)).toBe("answered");
  expect(await outcome(ON_BRIDGE.clusterIP, LAG_MS)).toBe("answered");
});

it("reach nobody when it does", async (context) => {
  context.skip(!(await callIptables(1)), "this kernel has no bridge-nf-call-iptables");
  await restart("--masquerade-all");
  expect(await outcome(ROUTED_IP, IN_VAIN_MS)).toBe("timeout");
});
