// The cluster that the connection cases are set in (test/cases/topology.ts), made of namespaces:
// every Pod listens, every client can dial. Portico is not here yet.

import {
  type ClientName,
  LISTENING_PORTS,
  type NodeName,
  nodeAddress,
  nodeOf,
  PODS_OF_NODE,
  type PodName,
  podAddress,
  THIS_NODE,
} from "../cases/topology.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { Namespace } from "../namespaces/namespace.ts";

export interface CasesLab {
  cluster: Cluster;
  /** Where Portico is to run. */
  node: ClusterNode;
  /** Where a client lives. */
  namespaceOf(client: ClientName): Namespace;
}

export async function makeCasesLab(): Promise<CasesLab> {
  const cluster = await makeCluster({ nodes: NODE_NAMES.map(planOf) });
  try {
    await Promise.all(
      NODE_NAMES.flatMap((name) => [...cluster.node(name).pods.values()]).map((pod) =>
        pod.serve({ tcp: LISTENING_PORTS }),
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

const NODE_NAMES = Object.keys(PODS_OF_NODE) as NodeName[];

function planOf(name: NodeName) {
  const names: readonly PodName[] = PODS_OF_NODE[name];
  const pods = Object.fromEntries(names.map((pod) => [pod, podAddress(pod)]));
  return { name, nodeIP: nodeAddress(name), pods };
}
