// The cluster that the connection cases are set in (test/cases/topology.ts), made of namespaces:
// every Pod listens, every client can dial. Portico is not here yet.

import {
  type ClientName,
  EXTERNAL_CIDRS,
  familyOfText,
  LISTENING_PORTS,
  type NodeName,
  nodeAddress,
  nodeOf,
  PODS_OF_NODE,
  type PodName,
  podAddress,
  THIS_NODE,
} from "../cases/topology.ts";
import { SERVICE_CIDRS } from "../namespaces/addresses.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import { ipBatch } from "../namespaces/command.ts";
import type { Namespace } from "../namespaces/namespace.ts";

export interface CasesLab {
  cluster: Cluster;
  /** Where Portico is to run. */
  node: ClusterNode;
  /** Where a client lives. */
  namespaceOf(client: ClientName): Namespace;
}

export async function makeCasesLab(): Promise<CasesLab> {
  const cluster = await makeCluster({ nodes: NODE_NAMES.map(planOf), dualStack: true });
  try {
    await Promise.all([cluster.outside, cluster.node("node-2")].map(routeThroughThisNode));
    await Promise.all(
      NODE_NAMES.flatMap((name) => [...cluster.node(name).pods.values()]).map((pod) =>
        pod.serve({ tcp: LISTENING_PORTS, udp: LISTENING_PORTS }),
      ),
    );
  } catch (error) {
    await cluster.close();
    throw error;
  }
  const namespaceOf = (client: ClientName) => {
    if (client === "host") return cluster.node(THIS_NODE);
    if (client === "outside") return cluster.outside;
    return cluster.node(nodeOf(client)).pod(client);
  };
  return { cluster, node: cluster.node(THIS_NODE), namespaceOf };
}

/** As an admin would who wants Services to be reached from outside. */
async function routeThroughThisNode(namespace: Namespace): Promise<void> {
  // What this node leaves alone goes on to the gateway, and it would say so.
  const script = 'for f in /proc/sys/net/ipv[46]/conf/*/accept_redirects; do echo 0 > "$f"; done';
  await namespace.exec("sh", ["-c", script]);
  const lines = [...SERVICE_CIDRS, ...EXTERNAL_CIDRS].map((cidr) => {
    return `route add ${cidr} via ${nodeAddress(THIS_NODE, familyOfText(cidr))} dev eth0`;
  });
  await ipBatch(lines, namespace.name);
}

const NODE_NAMES = Object.keys(PODS_OF_NODE) as NodeName[];
const FAMILIES = ["IPv4", "IPv6"] as const;

function planOf(name: NodeName) {
  const names: readonly PodName[] = PODS_OF_NODE[name];
  const addressesOf = (pod: PodName) => FAMILIES.map((family) => podAddress(pod, family));
  const pods = Object.fromEntries(names.map((pod) => [pod, addressesOf(pod)]));
  return { name, nodeIP: FAMILIES.map((family) => nodeAddress(name, family)), pods };
}
