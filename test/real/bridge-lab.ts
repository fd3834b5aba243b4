// Two nodes whose Pods are ports of a Linux bridge, in both families, as the CNI plugin `bridge`
// makes them, or made by it; Services in front of them; Portico on the first node with its default
// flags. bridge-cases.ts says who reaches whom.
//
//    node-1   a, b on cni0 (10.1.9.0/24, fd00:9::/64); routed, a Pod with a link of its own
//    node-2   d on cni0    (10.1.8.0/24, fd00:8::/64)

import { assign, OUTSIDE_ADDRESSES } from "../namespaces/addresses.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import { ipBatch } from "../namespaces/command.ts";
import type { DialOptions } from "../namespaces/dialer.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import { type PodNetwork, routedPods } from "../namespaces/pod-network.ts";
import {
  type KubernetesObject,
  nodeObject,
  PorticoProcess,
  type ServiceSketch,
  serviceObjects,
} from "./portico-fixture.ts";

export const FAMILIES = ["IPv4", "IPv6"] as const;
export const PROTOCOLS = ["TCP", "UDP"] as const;
export type Family = (typeof FAMILIES)[number];
export type Protocol = (typeof PROTOCOLS)[number];

/** More than a frame takes, so that datagrams are fragments. */
const DATAGRAM_BYTES = 3_000;
/** Of a connection that gets no answer. */
const PATIENCE_MS = 2_000;

/** Backends, which are the names of Services too, in the order of their addresses. */
const BACKENDS = ["b", "d", "a", "routed", "local"] as const;
type BackendName = (typeof BACKENDS)[number];
type Others = "bridge" | "node" | "outside";

/** Addresses and node ports of one family. */
interface Plan {
  prefixes: Record<"node-1" | "node-2", string>;
  vip: string;
  nodePort: number;
}

const PLAN: Record<Family, Plan> = {
  IPv4: {
    prefixes: { "node-1": "10.1.9.", "node-2": "10.1.8." },
    vip: "10.96.0.",
    nodePort: 30000,
  },
  IPv6: {
    prefixes: { "node-1": "fd00:9::", "node-2": "fd00:8::" },
    vip: "fd00:96::",
    nodePort: 31000,
  },
};
const HOSTS = { a: 10, b: 11, d: 10 };
/** The Pod with a link of its own. */
const ROUTED = ["10.1.101.10", "fd00:1:101::10"];
const BRIDGE = "cni0";

export class BridgeLab {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly portico: PorticoProcess;
  readonly pods = new Map<string, Namespace>();

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.node = cluster.node("node-1");
    this.portico = new PorticoProcess(this.node);
  }

  static async make(podNetwork: PodNetwork = bridgedPods): Promise<BridgeLab> {
    const pods = { a: bridgedAddresses("a"), b: bridgedAddresses("b"), routed: ROUTED };
    const cluster = await makeCluster({
      nodes: [
        { name: "node-1", pods },
        { name: "node-2", pods: { d: bridgedAddresses("d") } },
      ],
      dualStack: true,
      podNetwork,
    });
    const lab = new BridgeLab(cluster);
    try {
      const servers = [...lab.node.pods.values(), cluster.node("node-2").pod("d")];
      for (const pod of servers) lab.pods.set(pod.label, pod);
      lab.pods.set("node", lab.node).set("outside", cluster.outside);
      await Promise.all(servers.map((pod) => pod.serve({ tcp: 8080, udp: 8080 })));
      lab.portico.write(lab.objects());
      return lab;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** A Pod, the first node, or "outside". */
  pod(name: string): Namespace {
    const pod = this.pods.get(name);
    if (pod === undefined) throw new Error(`no Pod ${name}`);
    return pod;
  }

  /** Of a Pod, of the first node or its bridge, or of "outside". */
  address(name: keyof typeof HOSTS | "routed" | Others, family: Family): string {
    const of = (addresses: readonly string[]) => addresses[FAMILIES.indexOf(family)] as string;
    if (name === "outside") return of(OUTSIDE_ADDRESSES);
    if (name === "node") return of(this.node.addresses);
    if (name === "routed") return of(ROUTED);
    if (name === "bridge") return `${PLAN[family].prefixes["node-1"]}1`;
    return of(bridgedAddresses(name));
  }

  vip(backend: BackendName, family: Family, protocol: Protocol): string {
    return `${PLAN[family].vip}${numberOf(backend, protocol)}`;
  }

  nodePort(backend: BackendName, family: Family, protocol: Protocol): number {
    return PLAN[family].nodePort + numberOf(backend, protocol);
  }

  /** Whom the backend sees when `from` dials, or why there is no answer. */
  async seen(from: string, address: string, port: number, protocol: Protocol): Promise<string> {
    const options: DialOptions = { protocol, bytes: DATAGRAM_BYTES, timeoutMs: PATIENCE_MS };
    const dialer = await this.pod(from).dialer();
    const { outcome, client } = await dialer.dialOnce(address, port, options);
    return outcome === "answered" ? client.replace(/:\d+$/, "").replace(/[[\]]/g, "") : outcome;
  }

  /** The same, through a Service's cluster IP. */
  ask(from: string, backend: BackendName, family: Family, protocol: Protocol): Promise<string> {
    return this.seen(from, this.vip(backend, family, protocol), 80, protocol);
  }

  async start(...flags: string[]): Promise<void> {
    await this.portico.start(flags);
    await this.portico.synced(30_000);
  }

  async close(): Promise<void> {
    await this.portico.close();
    await this.cluster.close();
  }

  objects(): KubernetesObject[] {
    const services = FAMILIES.flatMap((family) =>
      PROTOCOLS.flatMap((protocol) =>
        BACKENDS.flatMap((backend) => serviceObjects(this.#sketch(backend, family, protocol))),
      ),
    );
    const node = nodeObject("node-1", this.node.address) as { status: { addresses: object[] } };
    for (const address of this.node.addresses.slice(1)) {
      node.status.addresses.push({ type: "InternalIP", address });
    }
    return [{ ...node }, ...services];
  }

  #sketch(backend: BackendName, family: Family, protocol: Protocol): ServiceSketch {
    return {
      name: `${backend}-${family}-${protocol}`.toLowerCase(),
      clusterIP: this.vip(backend, family, protocol),
      endpoints: [this.address(backend === "local" ? "b" : backend, family)],
      protocol,
      nodePort: this.nodePort(backend, family, protocol),
      nodeName: backend === "d" ? "node-2" : "node-1",
      ...(backend === "local" ? { externalTrafficPolicy: "Local" as const } : {}),
    };
  }
}

function numberOf(backend: BackendName, protocol: Protocol): number {
  return 10 + BACKENDS.indexOf(backend) + (protocol === "UDP" ? 10 : 0);
}

/** Of a Pod on a bridge, one of each family. */
export function bridgedAddresses(name: keyof typeof HOSTS): string[] {
  return FAMILIES.map((family) => {
    return `${PLAN[family].prefixes[name === "d" ? "node-2" : "node-1"]}${HOSTS[name]}`;
  });
}

export async function sh(where: Namespace, script: string): Promise<string> {
  return (await where.exec("sh", ["-c", script])).stdout;
}

/** Pods on a bridge by `ip` alone, for tests that need no Go; "routed" has a link of its own. */
export const bridgedPods: PodNetwork = {
  attach: async (node, pod) => {
    if (pod.label === "routed") return await routedPods.attach(node, pod);
    await makeBridge(node);
    const { name, link, addresses } = pod;
    const peer = `peer name eth0 netns ${name}`;
    await sh(
      node,
      `ip link add ${link} type veth ${peer} && ip link set ${link} master ${BRIDGE} up`,
    );
    const lines = ["link set eth0 up"];
    for (const [index, prefix] of prefixesOf(node).entries()) {
      lines.push(assign(`${addresses[index]}/${lengthOf(prefix)}`, "eth0"));
      lines.push(`route add default via ${prefix}1`);
    }
    await ipBatch(lines, name);
  },
  detach: routedPods.detach,
};

/** The Pods' bridge of a node, with the first address of each prefix, as the plugin makes it. */
export async function makeBridge(node: ClusterNode): Promise<void> {
  if ((await sh(node, "ip -o link show type bridge")).includes(` ${BRIDGE}: `)) return;
  const prefixes = prefixesOf(node).map((prefix) =>
    assign(`${prefix}1/${lengthOf(prefix)}`, BRIDGE),
  );
  await ipBatch(
    [`link add ${BRIDGE} type bridge`, `link set ${BRIDGE} up`, ...prefixes],
    node.name,
  );
}

/** Of bridged packets to the IP hooks, in both families; true where the kernel has the setting. */
export async function callIptables(node: Namespace, value: 0 | 1): Promise<boolean> {
  const folder = "/proc/sys/net/bridge";
  const script = `echo ${value} > ${folder}/bridge-nf-call-iptables && \
    echo ${value} > ${folder}/bridge-nf-call-ip6tables`;
  return (await node.exec("sh", ["-c", script], { allowFailure: true })).code === 0;
}

function prefixesOf(node: ClusterNode): string[] {
  const name = node.number === 1 ? "node-1" : "node-2";
  return FAMILIES.map((family) => PLAN[family].prefixes[name]);
}

function lengthOf(prefix: string): number {
  return prefix.includes(":") ? 64 : 24;
}
