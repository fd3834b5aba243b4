// The cluster that all connection cases are set in. It is small so that it can be built of network
// namespaces; its addresses are those of test/namespaces/addresses.ts.
//
//    node-1  192.0.2.1, zone-a, this node    pod-a … pod-d   10.1.1.10 … 10.1.1.13
//    node-2  192.0.2.2, zone-b               pod-e, pod-f    10.1.2.10, 10.1.2.11
//    outside 192.0.2.200
//
// Every Pod accepts TCP connections on all of LISTENING_PORTS and tells who called. Nothing listens
// on the nodes and outside.

import {
  nodeAddresses,
  OUTSIDE_ADDRESSES,
  podAddresses,
  SERVICE_CIDR,
} from "../namespaces/addresses.ts";
import type { KubernetesObject } from "./case.ts";

export const THIS_NODE = "node-1";
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

export function nodeAddress(node: NodeName): string {
  return nodeAddresses(NODE_NUMBERS[node], false)[0] as string;
}

export function podAddress(pod: PodName): string {
  const node = nodeOf(pod);
  const podNumber = (PODS_OF_NODE[node] as readonly PodName[]).indexOf(pod);
  return podAddresses(NODE_NUMBERS[node], podNumber, false)[0] as string;
}

export function nodeOf(pod: PodName): NodeName {
  const names = Object.keys(PODS_OF_NODE) as NodeName[];
  const found = names.find((node) => (PODS_OF_NODE[node] as readonly PodName[]).includes(pod));
  if (!found) throw new Error(`no node has the Pod ${pod}`);
  return found;
}

export function clientAddress(client: ClientName): string {
  if (client === "host") return nodeAddress(THIS_NODE);
  return client === "outside" ? (OUTSIDE_ADDRESSES[0] as string) : podAddress(client);
}

/** What the API server holds before a case adds its own; a case may replace one by name. */
export const BASE_OBJECTS: readonly KubernetesObject[] = [
  nodeObject("node-1", "zone-a"),
  nodeObject("node-2", "zone-b"),
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "ServiceCIDR",
    metadata: { name: "kubernetes" },
    spec: { cidrs: [SERVICE_CIDR] },
  },
];

function nodeObject(name: NodeName, zone: string): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "topology.kubernetes.io/zone": zone } },
    status: { addresses: [{ type: "InternalIP", address: nodeAddress(name) }] },
  };
}
