// A node with a machine outside that has addresses which Services will get, and a process of the
// host on a port that a Service will get. What the tests have in common of connections that are
// not Portico's.
//
//    node-1: Pods client, web · a host process on NODE_PORT      outside: a server at each address

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode, type Pod } from "../namespaces/cluster.ts";
import { ipBatch } from "../namespaces/command.ts";
import { type KubernetesObject, nodeObject, PorticoProcess } from "./portico-fixture.ts";

export const FAMILIES = ["IPv4", "IPv6"] as const;
type Family = (typeof FAMILIES)[number];
/** How a Service comes by an address that is somebody else's. */
export const KINDS = ["external IP", "load balancer", "cluster IP"] as const;
export type Kind = (typeof KINDS)[number];
export const PORT = 8080;
export const NODE_PORT = 31_000;

const TAKEN: Record<Family, Record<Kind, string>> = {
  IPv4: {
    "external IP": "203.0.113.9",
    "load balancer": "203.0.113.10",
    "cluster IP": "10.96.0.99",
  },
  IPv6: {
    "external IP": "fd00:203::9",
    "load balancer": "fd00:203::a",
    "cluster IP": "fd00:96::99",
  },
};
const OWN: Record<Family, string> = { IPv4: "10.96.0.10", IPv6: "fd00:96::10" };
const SERVICE_CIDRS = ["10.96.0.0/16", "fd00:96::/112"];

export interface Sketch {
  family: Family;
  kind: Kind | "node port";
  hasEndpoints?: boolean;
}

export class OthersLab {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly portico: PorticoProcess;
  #hostServer: ChildProcess | undefined;
  #applied = 0;

  private constructor(cluster: Cluster, node: ClusterNode) {
    this.cluster = cluster;
    this.node = node;
    this.portico = new PorticoProcess(node);
  }

  /** Portico does not run yet. */
  static async make(): Promise<OthersLab> {
    const pods = { client: "auto", web: "auto" } as const;
    const { cluster, node } = await makeNode({ name: "node-1", pods, dualStack: true });
    const lab = new OthersLab(cluster, node);
    // A client may be refused over UDP more often than once a second here.
    await node.exec("sh", [
      "-c",
      "for f in ipv4/icmp_ratelimit ipv6/icmp/ratelimit; do " + "echo 0 > /proc/sys/net/$f; done",
    ]);
    await lab.#giveOutsideItsAddresses();
    await node.pod("web").serve({ tcp: PORT, udp: PORT });
    await lab.serveOnHost();
    return lab;
  }

  get client(): Pod {
    return this.node.pod("client");
  }

  /** The address that is the machine's outside, or for a node port the node's. */
  taken({ family, kind }: Sketch): { address: string; port: number } {
    if (kind !== "node port") return { address: TAKEN[family][kind], port: PORT };
    return { address: this.node.addresses[FAMILIES.indexOf(family)] as string, port: NODE_PORT };
  }

  async serveOnHost(): Promise<void> {
    this.#hostServer = await this.node.serve({ name: "host", tcp: NODE_PORT, udp: NODE_PORT });
  }

  async endHostServer(): Promise<void> {
    const ended = this.#hostServer && once(this.#hostServer, "close");
    this.#hostServer?.kill("SIGKILL");
    await ended;
  }

  /** Resolves once the kernel has it. */
  async apply(...sketches: readonly Sketch[]): Promise<void> {
    const address = `10.96.9.${++this.#applied}`;
    const marker = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "marker", namespace: "test" },
      spec: { clusterIP: address, clusterIPs: [address], ports: [{ port: 80 }] },
    };
    const { addresses } = this.node;
    const node = {
      ...nodeObject("node-1", this.node.address),
      status: { addresses: addresses.map((each) => ({ type: "InternalIP", address: each })) },
    };
    // The range that holds a cluster IP of somebody else's is the cluster's from then on, too.
    const cidrs = {
      apiVersion: "networking.k8s.io/v1",
      kind: "ServiceCIDR",
      metadata: { name: "more" },
      spec: { cidrs: SERVICE_CIDRS },
    };
    const withCIDR = sketches.some(({ kind }) => kind === "cluster IP") ? [cidrs] : [];
    const objects = sketches.flatMap((sketch) => this.#objects(sketch));
    this.portico.write([node, marker, ...withCIDR, ...objects]);
    const element = `{ ${address} . tcp . 80 }`;
    const get = ["get", "element", "inet", "portico", "frontends_v4", element];
    await eventually("the kernel as the objects say", 20_000, async () => {
      return (await this.node.exec("nft", get, { allowFailure: true })).code === 0;
    });
  }

  async close(): Promise<void> {
    await this.portico.close();
    await this.cluster.close();
  }

  async #giveOutsideItsAddresses(): Promise<void> {
    const { outside } = this.cluster;
    const addresses = FAMILIES.flatMap((family) => Object.values(TAKEN[family]));
    await ipBatch(
      [
        ...addresses.map((each) => `address add ${each} dev lo${isSix(each) ? " nodad" : ""}`),
        "route add 10.1.1.0/24 via 192.0.2.1",
        "route add fd00:1:1::/64 via fd00:2::1",
      ],
      outside.name,
    );
    const vias = addresses.map((each) => {
      return `route add ${each} via ${isSix(each) ? "fd00:2::c8" : "192.0.2.200"}`;
    });
    await ipBatch(vias, this.node.name);
    for (const address of addresses) {
      await outside.serve({ name: "stranger", tcp: PORT, udp: PORT, address });
    }
  }

  /** One Service with a TCP and a UDP port, and its slice. */
  #objects({ family, kind, hasEndpoints = true }: Sketch): KubernetesObject[] {
    const { address } = this.taken({ family, kind });
    const name = `${kind}-${family}`.toLowerCase().replaceAll(" ", "-");
    const clusterIP = kind === "cluster IP" ? address : OWN[family];
    const port = kind === "node port" ? 80 : PORT;
    const ports = (["TCP", "UDP"] as const).map((protocol) => {
      const nodePort = kind === "node port" ? { nodePort: NODE_PORT } : {};
      return { name: protocol.toLowerCase(), protocol, port, ...nodePort };
    });
    const types = { "node port": "NodePort", "load balancer": "LoadBalancer" } as const;
    const type = kind in types ? types[kind as keyof typeof types] : "ClusterIP";
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "test" },
      spec: {
        type,
        clusterIP,
        clusterIPs: [clusterIP],
        ipFamilies: [family],
        ports,
        ...(kind === "external IP" ? { externalIPs: [address] } : {}),
      },
      status: kind === "load balancer" ? { loadBalancer: { ingress: [{ ip: address }] } } : {},
    };
    const web = this.node.pod("web").addresses[FAMILIES.indexOf(family)];
    const slice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      addressType: family,
      metadata: {
        name: `${name}-1`,
        namespace: "test",
        labels: { "kubernetes.io/service-name": name },
      },
      ports: ports.map(({ name: portName, protocol }) => ({
        name: portName,
        protocol,
        port: PORT,
      })),
      endpoints: hasEndpoints ? [{ addresses: [web], nodeName: "node-1" }] : [],
    };
    return [service, slice];
  }
}

function isSix(address: string): boolean {
  return address.includes(":");
}
