// Where one peer is measured: a node of its own with a client Pod and two backend Pods. All stands
// have the same addresses and the same load programs, so that nothing differs but the peer.

import { type Cluster, type ClusterNode, makeNode, type Pod } from "../../namespaces/cluster.ts";
import type { Namespace } from "../../namespaces/namespace.ts";
import type { LoadPrograms } from "../load/programs.ts";
import { startBackend } from "../load/run.ts";

export const BACKEND_PORT = 8080;
/** The frontend that clients dial on every stand. */
export const FRONTEND = { address: "10.96.0.10", port: 80 };

export interface Stand {
  cluster: Cluster;
  node: ClusterNode;
  client: Pod;
  backends: readonly [Pod, Pod];
  /** Processes of the backends. */
  backendPids: readonly number[];
}

/** To be closed by closing its cluster. */
export async function makeStand(programs: LoadPrograms): Promise<Stand> {
  const { cluster, node } = await makeNode({
    name: "node",
    pods: { client: "auto", "backend-1": "auto", "backend-2": "auto" },
  });
  try {
    const client = node.pod("client");
    const backends = [node.pod("backend-1"), node.pod("backend-2")] as const;
    await Promise.all([node, client].map(forManyConnections));
    const backendPids = await Promise.all(
      backends.map((pod) => startBackend(programs, pod, BACKEND_PORT)),
    );
    return { cluster, node, client, backends, backendPids };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** Rounds follow each other within seconds: ports and conntrack entries must not run out. */
async function forManyConnections(namespace: Namespace): Promise<void> {
  const script = `
    echo "1024 65535" > /proc/sys/net/ipv4/ip_local_port_range
    entries=/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait
    if [ -e $entries ]; then echo 5 > $entries; fi`;
  await namespace.exec("sh", ["-c", script]);
}
