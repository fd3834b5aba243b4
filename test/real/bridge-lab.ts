// Two nodes whose Pods are ports of a Linux bridge, in both families, as the CNI plugin `bridge`
// makes them; Services in front of them; Portico on the first node with its default flags.
//
//    node-1   a, b on cni0 (10.1.9.0/24, fd00:9::/64); routed, a Pod with a link of its own
//    node-2   d on cni0    (10.1.8.0/24, fd00:8::/64)

import { isIPv6 } from "node:net";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { DialOptions } from "../namespaces/dialer.ts";
import { Namespace } from "../namespaces/namespace.ts";
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
export type BackendName = (typeof BACKENDS)[number];

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

  static async make(): Promise<BridgeLab> {
    const nodes = [{ name: "node-1", pods: { routed: "auto" as const } }, { name: "node-2" }];
    const cluster = await makeCluster({ nodes, dualStack: true });
    const lab = new BridgeLab(cluster);
    try {
      const other = cluster.node("node-2");
      await Promise.all([makeBridge(lab.node), makeBridge(other)]);
      await Promise.all([leadTo(lab.node, other), leadTo(other, lab.node)]);
      lab.pods.set("a", await bridgedPod(lab.node, "a"));
      lab.pods.set("b", await bridgedPod(lab.node, "b"));
      lab.pods.set("d", await bridgedPod(other, "d"));
      lab.pods.set("routed", lab.node.pod("routed"));
      lab.pods.set("outside", cluster.outside);
      const servers = ["a", "b", "d", "routed"].map((name) => lab.pod(name));
      await Promise.all(servers.map((pod) => pod.serve({ tcp: 8080, udp: 8080 })));
      lab.portico.write(lab.#objects());
      return lab;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  pod(name: string): Namespace {
    const pod = this.pods.get(name);
    if (pod === undefined) throw new Error(`no Pod ${name}`);
    return pod;
  }

  /** Of a Pod on a bridge, of a bridge ("bridge", that of node-1), or of "outside". */
  address(name: "a" | "b" | "d" | "bridge" | "outside" | "node", family: Family): string {
    const of = (addresses: readonly string[]) => addresses[FAMILIES.indexOf(family)] as string;
    if (name === "outside") return family === "IPv4" ? "192.0.2.200" : "fd00:2::c8";
    if (name === "node") return of(this.node.addresses);
    const { prefixes } = PLAN[family];
    if (name === "bridge") return `${prefixes["node-1"]}1`;
    return podAddress(prefixes[name === "d" ? "node-2" : "node-1"], HOSTS[name]);
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

  #objects(): KubernetesObject[] {
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
    const routed = this.node.pod("routed").addresses[FAMILIES.indexOf(family)] as string;
    const endpoint =
      backend === "routed" ? routed : this.address(backend === "local" ? "b" : backend, family);
    return {
      name: `${backend}-${family}-${protocol}`.toLowerCase(),
      clusterIP: this.vip(backend, family, protocol),
      endpoints: [endpoint],
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

function podAddress(prefix: string, host: number): string {
  return `${prefix}${host}`;
}

export async function sh(where: Namespace, script: string): Promise<string> {
  return (await where.exec("sh", ["-c", script])).stdout;
}

/** The Pods' bridge of a node, with the first address of each prefix, as the plugin makes it. */
export async function makeBridge(node: ClusterNode): Promise<void> {
  const lines = ["ip link add cni0 type bridge", "ip link set cni0 up"];
  for (const prefix of prefixesOf(node)) {
    lines.push(`ip address add ${prefix}1/${lengthOf(prefix)} dev cni0`);
  }
  await sh(node, lines.join(" && "));
}

export async function bridgedPod(node: ClusterNode, label: keyof typeof HOSTS): Promise<Namespace> {
  const pod = new Namespace(`${node.name}-${label}`, label);
  await sh(node, `ip netns add ${pod.name}`);
  await sh(pod, "for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $f; done");
  await sh(
    node,
    `ip link add port-${label} type veth peer name eth0 netns ${pod.name} && ` +
      `ip link set port-${label} master cni0 up`,
  );
  const lines = ["ip link set lo up", "ip link set eth0 up"];
  for (const prefix of prefixesOf(node)) {
    const address = podAddress(prefix, HOSTS[label]);
    const noWait = isIPv6(address) ? " nodad" : "";
    lines.push(`ip address add ${address}/${lengthOf(prefix)} dev eth0${noWait}`);
    lines.push(`ip route add default via ${prefix}1`);
  }
  await sh(pod, lines.join(" && "));
  return pod;
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

async function leadTo(from: ClusterNode, to: ClusterNode): Promise<void> {
  const lines = prefixesOf(to).map((prefix, index) => {
    const network = prefix.includes(":") ? `${prefix}/64` : `${prefix}0/24`;
    return `ip route add ${network} via ${to.addresses[index]}`;
  });
  await sh(from, lines.join(" && "));
}
