// A real control plane, and two nodes that Portico serves, each with Pods that answer and a Pod
// that dials:
//
//    node-1   client-1, web-1, web-2      Portico
//    node-2   client-2, web-3, web-4      Portico
//    control  the control plane           none
//
// Web Pods and the two nodes (for Pods in the host network) listen on LISTENING_PORTS, TCP and UDP.

import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import type { DialResult, Outcome } from "../namespaces/messages.ts";
import { PorticoProcess } from "../real/portico-fixture.ts";
import { ControlPlane } from "./control-plane.ts";
import { Objects, type PodFacts } from "./objects.ts";

const LISTENING_PORTS = [8080, 9090];
/** How long a change may take to be obeyed; kube-proxy has 45 s in Kubernetes' own tests. */
export const LAG_MS = 10_000;
const NODES = ["node-1", "node-2"] as const;
const HOMES = {
  "client-1": "node-1",
  "web-1": "node-1",
  "web-2": "node-1",
  "client-2": "node-2",
  "web-3": "node-2",
  "web-4": "node-2",
} as const;
export type PodName = keyof typeof HOMES;
type NodeName = (typeof NODES)[number];
/** The label of the Pods that serve. */
export const WEB = { app: "web" };

export class ServedCluster {
  readonly plane: ControlPlane;
  readonly #cluster: Cluster;
  readonly #porticos: readonly PorticoProcess[];
  #namespaceCount = 0;

  private constructor(cluster: Cluster, plane: ControlPlane, porticos: readonly PorticoProcess[]) {
    this.#cluster = cluster;
    this.plane = plane;
    this.#porticos = porticos;
  }

  /** `flags` are more for both Porticos. */
  static async start(flags: readonly string[] = []): Promise<ServedCluster> {
    const podsOf = (node: NodeName) =>
      Object.fromEntries(podNames(node).map((pod) => [pod, "auto" as const]));
    const nodes = NODES.map((name) => ({ name, pods: podsOf(name) }));
    const cluster = await makeCluster({ nodes: [...nodes, { name: "control" }] });
    const control = cluster.node("control");
    const prefix = ["nsenter", `--net=/run/netns/${control.name}`, "--"];
    const plane = await ControlPlane.start({ prefix, address: control.address });
    const porticos = NODES.map((name) => {
      const kubeconfig = plane.kubeconfigFile("proxy", plane.innerServer);
      return new PorticoProcess(cluster.node(name), kubeconfig);
    });
    const served = new ServedCluster(cluster, plane, porticos);
    await served.#start(flags);
    return served;
  }

  async #start(more: readonly string[]): Promise<void> {
    const admin = new Objects(this.plane.kubeConfig());
    const servers = NODES.flatMap((name) => {
      const node = this.node(name);
      const pods = podNames(name).filter((pod) => pod.startsWith("web"));
      return [node, ...pods.map((pod) => node.pod(pod))];
    });
    const ports = { tcp: LISTENING_PORTS, udp: LISTENING_PORTS };
    await Promise.all(servers.map((server) => server.serve(ports)));
    for (const name of NODES) {
      await admin.createNode({ name, addresses: [this.node(name).address] });
    }
    const flags = ["--detect-local-mode", "ClusterCIDR", "--cluster-cidr", "10.1.0.0/16", ...more];
    await Promise.all(this.#porticos.map((portico) => portico.start(flags)));
    await Promise.all(this.#porticos.map((portico) => portico.synced()));
  }

  node(name: NodeName): ClusterNode {
    return this.#cluster.node(name);
  }

  /** The Portico of node-1. */
  get portico(): PorticoProcess {
    return this.#porticos[0] as PorticoProcess;
  }

  /** Who dials: a Pod, a process on a node, or somebody outside the cluster. */
  async dialer(who: PodName | NodeName | "outside"): Promise<Dialer> {
    if (who === "outside") return this.#cluster.outside.dialer();
    return (isNode(who) ? this.node(who) : this.node(HOMES[who]).pod(who)).dialer();
  }

  addressOf(who: PodName | NodeName): string {
    return isNode(who) ? this.node(who).address : this.node(HOMES[who]).pod(who).address;
  }

  /** As the API server has it: with ports named http (8080) and admin (9090), and the label WEB. */
  pod(who: PodName | NodeName, facts: Partial<PodFacts> = {}): PodFacts {
    const ports = [
      { name: "http", containerPort: 8080 },
      { name: "admin", containerPort: 9090 },
    ];
    const nodeName = isNode(who) ? who : HOMES[who];
    return { name: who, nodeName, ip: this.addressOf(who), labels: WEB, ports, ...facts };
  }

  /** In a Kubernetes namespace of their own. */
  async objects(): Promise<Objects> {
    this.#namespaceCount += 1;
    const objects = new Objects(this.plane.kubeConfig(), `traffic-${this.#namespaceCount}`);
    await objects.createNamespace();
    return objects;
  }

  get log(): string {
    return this.#porticos.map(({ log }) => log).join("\n");
  }

  async close(): Promise<void> {
    await Promise.all(this.#porticos.map((portico) => portico.close()));
    await this.plane.stop();
    await this.#cluster.close();
  }
}

function isNode(who: string): who is NodeName {
  return (NODES as readonly string[]).includes(who);
}

function podNames(node: NodeName): PodName[] {
  return (Object.keys(HOMES) as PodName[]).filter((pod) => HOMES[pod] === node);
}

const TRIES = 12;

/** Until `dialer`'s connections are answered by exactly these Pods and nodes. */
export async function untilAnsweredBy(
  names: readonly string[],
  dialer: Dialer,
  address: string,
  port = 80,
): Promise<void> {
  let last: DialResult[] = [];
  await eventually(`${address}:${port} answered by [${names}]`, LAG_MS, async () => {
    last = await dialer.dial(address, port, { tries: TRIES, timeoutMs: 1_000 });
    return sameNames(names, last);
  }).catch((error: Error) => {
    const seen = last.map(({ outcome, name }) => name || outcome);
    throw new Error(`${error.message}; seen last: ${[...new Set(seen)]}`);
  });
}

function sameNames(names: readonly string[], results: readonly DialResult[]): boolean {
  const seen = new Set(results.map(({ name }) => name));
  return seen.size === names.length && names.every((name) => seen.has(name));
}

/** Until a connection ends like this; "timeout" is what a client sees of a drop. */
export async function untilOutcome(
  outcome: Outcome,
  dialer: Dialer,
  address: string,
  port = 80,
): Promise<void> {
  await eventually(`${address}:${port} ${outcome}`, LAG_MS, async () => {
    const timeoutMs = outcome === "timeout" ? 400 : 2_000;
    return (await dialer.dialOnce(address, port, { timeoutMs })).outcome === outcome;
  });
}
