// The cluster that all connection cases are set in. It is small so that it can be built of network
// namespaces; its addresses are those of test/namespaces/addresses.ts, of both families.
//
//    node-1  192.0.2.1, zone-a, this node    pod-a … pod-d   10.1.1.10 … 10.1.1.13
//    node-2  192.0.2.2, zone-b               pod-e, pod-f    10.1.2.10, 10.1.2.11
//    outside 192.0.2.200
//
// Node-2 and outside reach Services' addresses, and what else is at no node (203.0.113.0/24),
// through node-1. That knows its Pods as with detection mode NodeCIDR. Every Pod accepts TCP
// connections and datagrams on all of LISTENING_PORTS and tells who called. Nothing listens on the
// nodes and outside.

import type { IPFamily } from "../../controller/model/types.ts";
import {
  nodeAddresses,
  OUTSIDE_ADDRESSES,
  podAddresses,
  SERVICE_CIDRS,
} from "../namespaces/addresses.ts";
import type { KubernetesObject } from "./case.ts";

export const THIS_NODE = "node-1";
export const EXTERNAL_CIDRS: readonly string[] = ["203.0.113.0/24", "fd00:203::/64"];
export const LISTENING_PORTS: readonly number[] = [8080, 8081, 9090];

/** Node → its Pods, in the order in which they get their addresses. */
export const PODS_OF_NODE = {
  "node-1": ["pod-a", "pod-b", "pod-c", "pod-d"],
  "node-2": ["pod-e", "pod-f"],
} as const;

export type NodeName = keyof typeof PODS_OF_NODE;
export type PodName = (typeof PODS_OF_NODE)[NodeName][number];
/** Who can call: a Pod, a process on this node, or something that is in no cluster. */
export type ClientName = PodName | "host" | "outside";

const NODE_NUMBERS: Record<NodeName, number> = { "node-1": 1, "node-2": 2 };

const FAMILIES: readonly IPFamily[] = ["IPv4", "IPv6"];

export function nodeAddress(node: NodeName, family: IPFamily = "IPv4"): string {
  return nodeAddresses(NODE_NUMBERS[node], true)[FAMILIES.indexOf(family)] as string;
}

export function podAddress(pod: PodName, family: IPFamily = "IPv4"): string {
  const node = nodeOf(pod);
  const podNumber = (PODS_OF_NODE[node] as readonly PodName[]).indexOf(pod);
  return podAddresses(NODE_NUMBERS[node], podNumber, true)[FAMILIES.indexOf(family)] as string;
}

export function nodeOf(pod: PodName): NodeName {
  const names = Object.keys(PODS_OF_NODE) as NodeName[];
  const found = names.find((node) => (PODS_OF_NODE[node] as readonly PodName[]).includes(pod));
  if (!found) throw new Error(`no node has the Pod ${pod}`);
  return found;
}

export function clientAddress(client: ClientName, family: IPFamily = "IPv4"): string {
  if (client === "host") return nodeAddress(THIS_NODE, family);
  if (client !== "outside") return podAddress(client, family);
  return OUTSIDE_ADDRESSES[FAMILIES.indexOf(family)] as string;
}

/** Whether it is a Pod of this node. */
export function isLocalPod(client: ClientName): boolean {
  return client !== "host" && client !== "outside" && nodeOf(client) === THIS_NODE;
}

/** "10.96.0.10:80", "[fd00:96::a]:80" → its parts. */
export function partsOf(addressAndPort: string): { address: string; port: number } {
  const colon = addressAndPort.lastIndexOf(":");
  const address = addressAndPort.slice(0, colon).replace(/^\[|\]$/g, "");
  return { address, port: Number(addressAndPort.slice(colon + 1)) };
}

/** Of an address, with or without its port. */
export function familyOfText(text: string): IPFamily {
  return text.split(":").length > 2 ? "IPv6" : "IPv4";
}

/** What the API server holds before a case adds its own; a case may replace one by name. */
export const BASE_OBJECTS: readonly KubernetesObject[] = [
  nodeObject("node-1", "zone-a"),
  nodeObject("node-2", "zone-b"),
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "ServiceCIDR",
    metadata: { name: "kubernetes" },
    spec: { cidrs: SERVICE_CIDRS },
  },
];

function nodeObject(name: NodeName, zone: string): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "topology.kubernetes.io/zone": zone } },
    status: {
      addresses: FAMILIES.map((family) => {
        return { type: "InternalIP", address: nodeAddress(name, family) };
      }),
    },
  };
}
