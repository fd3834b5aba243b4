// A plan of nodes and Pods → network namespaces that reach each other as in a cluster:
//
//    Pod ─veth─ node ─veth─ underlay (bridge) ─veth─ node ─veth─ Pod
//                             └─veth─ outside (a client that is in no cluster)
//
// Pods have one /32 (and /128) each and send everything to their node, which routes, unless the
// plan has another Pod network (pod-network.ts). The nodes forward; nothing filters or translates.
// Everything is removed by close(), or when this process ends. Needs root, or user-namespace.ts.

import { isIPv6 } from "node:net";
import {
  assign,
  GATEWAY_ADDRESSES,
  nodeAddresses,
  OUTSIDE_ADDRESSES,
  onUnderlay,
  podAddresses,
  single,
} from "./addresses.ts";
import { ipBatch } from "./command.ts";
import { Namespace } from "./namespace.ts";
import { type PodNetwork, routedPods } from "./pod-network.ts";
import {
  leaveOnExit,
  removeLeftovers,
  removeNamespaces,
  removeOnExit,
  uniquePrefix,
} from "./sweep.ts";

/** A name's addresses: one, one of each family, or "auto" for the next of the plan. */
type AddressPlan = "auto" | string | readonly string[];

interface NodePlan {
  name: string;
  /** By default 192.0.2.N, the node's number. */
  nodeIP?: AddressPlan;
  /** Names of Pods → addresses. */
  pods?: Readonly<Record<string, AddressPlan>>;
}

interface ClusterPlan {
  nodes: readonly NodePlan[];
  /** Addresses that are made up are made up for IPv6 too. */
  dualStack?: boolean;
  /** How Pods reach their node: absent, each by a routed link of its own. */
  podNetwork?: PodNetwork;
  /**
   * What the namespaces' names begin with. By default unique to this process; a fixed one replaces
   * the cluster that an earlier run left under it.
   */
  prefix?: string;
}

export class Pod extends Namespace {
  readonly addresses: readonly string[];
  /** The first, as in status.podIP. */
  readonly address: string;
  /** The node's end of its link, where that is the Pod's own (pod-network.ts). */
  readonly link: string;
  constructor(name: string, label: string, addresses: readonly string[], link: string) {
    super(name, label);
    this.addresses = addresses;
    this.address = addresses[0] as string;
    this.link = link;
  }
}

export class ClusterNode extends Namespace {
  readonly addresses: readonly string[];
  /** The first, as the InternalIP. */
  readonly address: string;
  readonly number: number;
  readonly pods = new Map<string, Pod>();
  private readonly cluster: Cluster;
  private podCount = 0;

  constructor(cluster: Cluster, label: string, number: number, addresses: readonly string[]) {
    super(`${cluster.prefix}-${label}`, label);
    this.cluster = cluster;
    this.number = number;
    this.addresses = addresses;
    this.address = addresses[0] as string;
  }

  /** The Pod of this name; throws when there is none. */
  pod(label: string): Pod {
    const pod = this.pods.get(label);
    if (pod === undefined) throw new Error(`node ${this.label}: no Pod ${label}`);
    return pod;
  }

  /** Makes a Pod and its routes on every node. */
  async addPod(label: string, addressPlan: AddressPlan = "auto"): Promise<Pod> {
    if (this.pods.has(label)) throw new Error(`node ${this.label}: has a Pod ${label} already`);
    const number = this.podCount++;
    const madeUp = () => podAddresses(this.number, number, this.cluster.dualStack);
    const addresses = addressPlan === "auto" ? madeUp() : [addressPlan].flat();
    const pod = new Pod(`${this.name}-${label}`, label, addresses, `veth${number}`);
    this.pods.set(label, pod);
    await makeNamespace(pod.name);
    await Promise.all([
      this.cluster.podNetwork.attach(this, pod),
      ...this.cluster.others(this).map((other) => ipBatch(routes("add", pod, this), other.name)),
    ]);
    return pod;
  }

  /** Removes a Pod with its processes, link and routes. Its name and address are free again. */
  async removePod(label: string): Promise<void> {
    const pod = this.pod(label);
    this.pods.delete(label);
    await this.cluster.podNetwork.detach(this, pod);
    removeNamespaces(pod.name);
    const others = this.cluster.others(this);
    await Promise.all(others.map((other) => ipBatch(routes("del", pod, this), other.name)));
  }
}

export class Cluster {
  readonly prefix: string;
  readonly dualStack: boolean;
  readonly podNetwork: PodNetwork;
  readonly nodes = new Map<string, ClusterNode>();
  readonly outside: Namespace;
  private readonly underlay: Namespace;

  constructor(prefix: string, dualStack: boolean, podNetwork: PodNetwork) {
    this.prefix = prefix;
    this.dualStack = dualStack;
    this.podNetwork = podNetwork;
    this.outside = new Namespace(`${prefix}-outside`, "outside");
    this.underlay = new Namespace(`${prefix}-underlay`, "underlay");
  }

  /** The node of this name; throws when there is none. */
  node(label: string): ClusterNode {
    const node = this.nodes.get(label);
    if (node === undefined) throw new Error(`no node ${label}`);
    return node;
  }

  /** Every node but this one. */
  others(node: ClusterNode): ClusterNode[] {
    return [...this.nodes.values()].filter((other) => other !== node);
  }

  async makeUnderlay(): Promise<void> {
    await makeNamespace(this.underlay.name);
    await ipBatch(
      [
        "link add bridge0 type bridge",
        "link set bridge0 up",
        ...GATEWAY_ADDRESSES.map((address) => assign(onUnderlay(address), "bridge0")),
      ],
      this.underlay.name,
    );
    await this.join(this.outside, OUTSIDE_ADDRESSES, "port-outside");
  }

  /** Makes a node, and its Pods; the nodes that are there learn to reach them, and it them. */
  async addNode(plan: NodePlan): Promise<ClusterNode> {
    const number = this.nodes.size + 1;
    const nodeIP = plan.nodeIP ?? "auto";
    const addresses = nodeIP === "auto" ? nodeAddresses(number, this.dualStack) : [nodeIP].flat();
    const node = new ClusterNode(this, plan.name, number, addresses);
    await this.join(node, addresses, portOf(number));
    await forwarding(node);
    this.nodes.set(plan.name, node);
    const known = this.others(node).flatMap((other) =>
      [...other.pods.values()].flatMap((pod) => routes("add", pod, other)),
    );
    await ipBatch(known, node.name);
    for (const [label, address] of Object.entries(plan.pods ?? {})) {
      await node.addPod(label, address);
    }
    return node;
  }

  /** Cuts a node off, as a loss of power would: what is sent to it is lost, nothing answers. */
  async unplug(node: ClusterNode): Promise<void> {
    await ipBatch([`link set ${portOf(node.number)} down`], this.underlay.name);
  }

  /** Undoes unplug(). */
  async plugIn(node: ClusterNode): Promise<void> {
    await ipBatch([`link set ${portOf(node.number)} up`], this.underlay.name);
  }

  /** Removes everything, with the processes in it. May be called twice. */
  async close(): Promise<void> {
    removeNamespaces(this.prefix);
    leaveOnExit(this.prefix);
  }

  /** Lets everything live on when this process ends; `removeNamespaces(prefix)` ends it. */
  keep(): void {
    leaveOnExit(this.prefix);
  }

  private async join(
    namespace: Namespace,
    addresses: readonly string[],
    port: string,
  ): Promise<void> {
    const { name } = namespace;
    await makeNamespace(name);
    await ipBatch([
      `link add ${port} netns ${this.underlay.name} type veth peer name eth0 netns ${name}`,
    ]);
    await ipBatch([`link set ${port} master bridge0 up`], this.underlay.name);
    const gateways = GATEWAY_ADDRESSES.filter((gateway) =>
      addresses.some((address) => isIPv6(address) === isIPv6(gateway)),
    );
    await ipBatch(
      [
        ...addresses.map((address) => assign(onUnderlay(address), "eth0")),
        "link set eth0 up",
        ...gateways.map((gateway) => `route add default via ${gateway} dev eth0`),
      ],
      name,
    );
  }
}

/** Makes a cluster of nodes and Pods, and a client outside it. */
export async function makeCluster(plan: ClusterPlan): Promise<Cluster> {
  const prefix = plan.prefix ?? uniquePrefix();
  removeLeftovers();
  removeNamespaces(prefix);
  removeOnExit(prefix);
  const cluster = new Cluster(prefix, plan.dualStack ?? false, plan.podNetwork ?? routedPods);
  try {
    await cluster.makeUnderlay();
    for (const node of plan.nodes) await cluster.addNode(node);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** A cluster of one node: the node, and the cluster to close. */
export async function makeNode(
  plan: NodePlan & Omit<ClusterPlan, "nodes">,
): Promise<{ cluster: Cluster; node: ClusterNode }> {
  const cluster = await makeCluster({ ...plan, nodes: [plan] });
  return { cluster, node: cluster.node(plan.name) };
}

/** The underlay's end of a node's link. */
function portOf(nodeNumber: number): string {
  return `port-node-${nodeNumber}`;
}

async function makeNamespace(name: string): Promise<void> {
  await ipBatch([`netns add ${name}`]);
  await ipBatch(["link set lo up"], name);
  // Duplicate address detection would keep IPv6 addresses unusable for a second or two.
  const namespace = new Namespace(name, name);
  const script = "for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $f; done";
  await namespace.exec("sh", ["-c", script], { allowFailure: true });
}

async function forwarding(node: Namespace): Promise<void> {
  await node.exec("sh", ["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
  const script = "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
  await node.exec("sh", ["-c", script], { allowFailure: true });
}

/** Lines by which a node reaches another node's Pod, over the node address of the same family. */
function routes(verb: "add" | "del", pod: Pod, node: ClusterNode): string[] {
  return pod.addresses.flatMap((address) => {
    const via = node.addresses.find((candidate) => isIPv6(candidate) === isIPv6(address));
    return via === undefined ? [] : [`route ${verb} ${single(address)} via ${via} dev eth0`];
  });
}
