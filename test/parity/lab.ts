// Where both worlds stand: who is there, under which addresses and names. Facts only; world.ts
// makes them.
//
//    node-1  192.0.2.1, fd00:2::1, zone-a     client-1, pod-a, pod-b   10.1.1.10 … 12   a proxy
//            192.0.2.101, fd00:2::65          an address that its Node object does not know
//    node-2  192.0.2.2, fd00:2::2, zone-b     client-2, pod-c, pod-d   10.1.2.10 … 12   a proxy
//    node-3  192.0.2.3, fd00:2::3, zone-c     pod-e                    10.1.3.10        none
//    outside 192.0.2.200, fd00:2::c8          in no cluster
//    crowd   192.0.2.210 … 249                the same machine as outside, under forty addresses
//
// Node-3 and outside reach the Services' addresses through node-1, by static routes. Everybody
// listens on LISTENING_PORTS, nodes too (Pods in the host network), TCP and UDP, both families.

import { isIPv6 } from "node:net";
import { nodeAddresses, OUTSIDE_ADDRESSES, podAddresses } from "../namespaces/addresses.ts";

export const LISTENING_PORTS: readonly number[] = [8080, 8081, 9090];
/** Of both families: Pods, cluster IPs, and addresses that a cloud or an admin hands out. */
export const CLUSTER_CIDRS: readonly string[] = ["10.1.0.0/16", "fd00:1::/32"];
export const SERVICE_CIDRS: readonly string[] = ["10.96.0.0/16", "fd00:96::/112"];
export const EXTERNAL_CIDRS: readonly string[] = ["203.0.113.0/24", "fd00:203::/64"];

interface NodeFacts {
  name: NodeName;
  zone: string;
  pods: readonly PodName[];
  /** Whether kube-proxy and Portico run here. */
  hasProxy: boolean;
}

export const NODES: readonly NodeFacts[] = [
  { name: "node-1", zone: "zone-a", pods: ["client-1", "pod-a", "pod-b"], hasProxy: true },
  { name: "node-2", zone: "zone-b", pods: ["client-2", "pod-c", "pod-d"], hasProxy: true },
  { name: "node-3", zone: "zone-c", pods: ["pod-e"], hasProxy: false },
];

export type NodeName = "node-1" | "node-2" | "node-3";
export type PodName = "client-1" | "pod-a" | "pod-b" | "client-2" | "pod-c" | "pod-d" | "pod-e";
/** Who dials. A node: a process on it. */
export type ClientName = PodName | NodeName | "outside" | "crowd";
/** The Pods that the states use as backends; nodes may be backends too. */
export const BACKENDS: readonly PodName[] = ["pod-a", "pod-b", "pod-c", "pod-d", "pod-e"];
export type Family = "IPv4" | "IPv6";

export const SECOND_ADDRESSES: Record<Family, string> = { IPv4: "192.0.2.101", IPv6: "fd00:2::65" };
/** IPv4 only. */
export const CROWD: readonly string[] = Array.from({ length: 40 }, (_, i) => `192.0.2.${210 + i}`);

export function familyOf(address: string): Family {
  return isIPv6(address) ? "IPv6" : "IPv4";
}

/** The node itself, or the node that the Pod is on. */
export function nodeOf(who: PodName | NodeName): NodeName {
  const found = NODES.find(({ name, pods }) => name === who || pods.some((pod) => pod === who));
  if (!found) throw new Error(`nobody is called ${who}`);
  return found.name;
}

/** IPv4, then IPv6. */
export function addressesOf(who: PodName | NodeName | "outside"): readonly string[] {
  if (who === "outside") return OUTSIDE_ADDRESSES;
  const number = NODES.findIndex(({ name }) => name === nodeOf(who)) + 1;
  const pods: readonly string[] = NODES[number - 1]?.pods ?? [];
  const podNumber = pods.indexOf(who);
  return podNumber < 0 ? nodeAddresses(number, true) : podAddresses(number, podNumber, true);
}

/** What its Node object says its Pods' addresses are from; IPv4, then IPv6. */
export function podCIDRsOf(node: NodeName): string[] {
  const number = NODES.findIndex(({ name }) => name === node) + 1;
  return [`10.1.${number}.0/24`, `fd00:1:${number.toString(16)}::/64`];
}

export function addressOf(who: PodName | NodeName | "outside", family: Family = "IPv4"): string {
  return addressesOf(who).find((address) => familyOf(address) === family) as string;
}

const NAMES = new Map<string, string>([
  ...NODES.flatMap(({ name, pods }) => [name, ...pods]).flatMap((who) =>
    addressesOf(who).map((address): [string, string] => [address, who]),
  ),
  ...OUTSIDE_ADDRESSES.map((address): [string, string] => [address, "outside"]),
  ...CROWD.map((address): [string, string] => [address, "crowd"]),
  ...Object.values(SECOND_ADDRESSES).map((address): [string, string] => [address, "node-1's 2nd"]),
]);

/** For people and comparisons: whose address it is; itself when nobody's. */
export function nameOfAddress(address: string): string {
  return NAMES.get(address) ?? address;
}
