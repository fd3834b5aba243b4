// The lab as network namespaces, with an agent in each that answers and dials. Which proxy serves
// it is not its business: world.ts, test/campaign.

import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import { ipBatch } from "../namespaces/command.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { Agent } from "./agent-client.ts";
import {
  addressOf,
  type ClientName,
  CROWD,
  EXTERNAL_CIDRS,
  familyOf,
  LISTENING_PORTS,
  NODES,
  type NodeName,
  SECOND_ADDRESSES,
  SERVICE_CIDRS,
} from "./lab.ts";

export class InhabitedLab {
  readonly #cluster: Cluster;
  readonly #agents = new Map<string, Agent>();

  protected constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** The lab, and nothing that serves it; without a Pod network, the lab's own. */
  protected static async lab(podNetwork?: PodNetwork): Promise<Cluster> {
    const nodes = NODES.map(({ name, pods }) => ({
      name,
      pods: Object.fromEntries(pods.map((pod) => [pod, "auto" as const])),
    }));
    const cluster = await makeCluster({
      nodes,
      dualStack: true,
      ...(podNetwork && { podNetwork }),
    });
    await addAddresses(cluster);
    await Promise.all([cluster.outside, cluster.node("node-3")].map(routeThroughNode1));
    await Promise.all(everybody(cluster).map(liftICMPLimits));
    return cluster;
  }

  async startAgents(): Promise<void> {
    const started = everybody(this.#cluster).map(async (namespace) => {
      const agent = await Agent.start(namespace, namespace.label, LISTENING_PORTS);
      this.#agents.set(namespace.label, agent);
    });
    await Promise.all(started);
  }

  /** Throws when the lab has no such client. */
  agentOf(client: ClientName): Agent {
    const agent = this.#agents.get(client === "crowd" ? "outside" : client);
    if (agent === undefined) throw new Error(`there is no agent ${client}`);
    return agent;
  }

  async closeFlows(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.text({ op: "close flows" })));
  }

  async close(): Promise<void> {
    await this.#cluster.close();
  }

  protected node(name: NodeName): ClusterNode {
    return this.#cluster.node(name);
  }
}

function everybody(cluster: Cluster): Namespace[] {
  const nodes = [...cluster.nodes.values()];
  return [...nodes, ...nodes.flatMap((node) => [...node.pods.values()]), cluster.outside];
}

async function addAddresses(cluster: Cluster): Promise<void> {
  const { IPv4, IPv6 } = SECOND_ADDRESSES;
  // Deprecated, or it would be the source of what the node says over IPv6.
  const lines = [
    `addr add ${IPv4}/24 dev eth0`,
    `addr add ${IPv6}/64 dev eth0 nodad preferred_lft 0`,
  ];
  await ipBatch(lines, cluster.node("node-1").name);
  const crowd = CROWD.map((address) => `addr add ${address}/24 dev eth0`);
  await ipBatch(crowd, cluster.outside.name);
}

/** As an admin would who wants Services to be reached from outside. */
async function routeThroughNode1(namespace: Namespace): Promise<void> {
  const lines = [...SERVICE_CIDRS, ...EXTERNAL_CIDRS].map((cidr) => {
    const family = familyOf(cidr.slice(0, cidr.indexOf("/")));
    return `route add ${cidr} via ${addressOf("node-1", family)} dev eth0`;
  });
  await ipBatch(lines, namespace.name);
}

/** The kernel sends few ICMP errors a second; what is refused would often seem dropped. */
async function liftICMPLimits(namespace: Namespace): Promise<void> {
  const script = [
    "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit",
    "echo 100000 > /proc/sys/net/ipv4/icmp_msgs_per_sec",
    "echo 100000 > /proc/sys/net/ipv4/icmp_msgs_burst",
    "echo 0 > /proc/sys/net/ipv6/icmp/ratelimit",
  ];
  await namespace.exec("sh", ["-c", script.join("\n")]);
}
