// A node whose way to the rest of the world has a narrow link in it, and Services of every kind:
//
//    Pods ─ node-1 ─1500─ near ═1300═ distant ─1500─ far
//
// Far are clients of the Services, and backends, each at an address of its own for each size, since
// the kernel remembers the path MTU to an address. They are served by Portico, or by rules for DNAT
// that stand for what kube-proxy does.

import { isIPv6 } from "node:net";
import type { IPFamily } from "../../controller/model/types.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { Namespace } from "../namespaces/namespace.ts";
import { farBackend, farClient, makeWay } from "./narrow-way.ts";
import { type KubernetesObject, nodeObject, PorticoProcess } from "./portico-fixture.ts";
import type { Exchange } from "./sized.ts";

export const WORLDS = ["DNAT", "Portico"] as const;
type World = (typeof WORLDS)[number];
export const FAMILIES = ["IPv4", "IPv6"] as const;
/** What just fits into packets of 1,300 and of 1,500 bytes, with IPv6 and with IPv4, and more. */
export const SIZES = [1200, 1252, 1253, 1273, 1400, 1472, 1473, 2000, 9000, 60_000] as const;
/** Of requests and answers by TCP. */
const STREAM_BYTES = 300_000;
const SMALL_BYTES = 8;

const NODE = "node-1";
const PORT = 53;
const TARGET_PORT = 5353;
const NODE_PORT = 30_053;
const LOCAL_NODE_PORT = 30_054;
/** TCP has ports of its own, so that no rule for UDP helps it. */
const TCP_PORTS_LATER = 1000;
const PROGRAM = new URL("./sized.ts", import.meta.url).pathname;

type Client = "pod" | "host" | "far";

/** What clients dial whose backend is a Pod of the node. */
const LOCAL = {
  "cluster IP": { number: 1, masquerades: false },
  "external IP": { number: 2, masquerades: true },
  "load balancer": { number: 3, masquerades: true },
  "load balancer, policy Local": { number: 4, masquerades: false },
  "node port": { port: NODE_PORT, masquerades: true },
  "node port, policy Local": { port: LOCAL_NODE_PORT, masquerades: false },
} as const;
const LOCAL_NAMES = Object.keys(LOCAL) as (keyof typeof LOCAL)[];

/** Those whose backend is far, by their client: Services' numbers of their own for each size. */
const REMOTE: readonly { client: Client; kind: "cluster IP" | "external IP" }[] = [
  { client: "pod", kind: "cluster IP" },
  { client: "host", kind: "cluster IP" },
  { client: "far", kind: "external IP" },
];

/** An exchange, who asks, and what to call it. */
interface Case {
  name: string;
  client: Client;
  exchange: Exchange;
}

interface Frontend {
  name: string;
  address: string;
  port: number;
  backend: string;
  masquerades: boolean;
  client: Client;
  /** Where the client asks from. */
  from: string;
}

export class NarrowLab {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly far: Namespace;
  readonly portico: PorticoProcess;

  private constructor(cluster: Cluster, node: ClusterNode) {
    this.cluster = cluster;
    this.node = node;
    this.far = new Namespace(`${cluster.prefix}-far`, "far");
    this.portico = new PorticoProcess(node);
  }

  static async make(): Promise<NarrowLab> {
    const pods = { client: "auto", server: "auto" } as const;
    const { cluster, node } = await makeNode({ name: NODE, pods, dualStack: true });
    const lab = new NarrowLab(cluster, node);
    try {
      await makeWay(cluster, node);
      const backends = FAMILIES.flatMap((family) =>
        WORLDS.flatMap((world) => remoteNumbers(world).map((number) => farBackend(family, number))),
      );
      const server = node.pod("server");
      await Promise.all([serve(server, server.addresses), serve(lab.far, backends)]);
      return lab;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** Resolves once Portico serves. */
  async startPortico(args: readonly string[] = []): Promise<void> {
    const services = remoteNumbers("Portico").flatMap(remoteService);
    const locals = localServices(this.node.pod("server").addresses);
    this.portico.write([nodeObject(NODE, this.node.address), ...locals, ...services]);
    const everywhere = ["--nodeport-addresses", "0.0.0.0/0,::/0"];
    await this.portico.start([...everywhere, ...args]);
    await this.portico.synced(60_000);
  }

  async startDNAT(): Promise<void> {
    const rules = FAMILIES.map((family) => {
      const each = SIZES_AND_STREAM.flatMap((_, index) => this.#frontends("DNAT", family, index));
      return dnatRules(family, each);
    });
    await this.node.exec("nft", ["-f", "-"], { input: rules.join("") });
  }

  async stopDNAT(): Promise<void> {
    await this.node.exec("nft", ["delete table ip reference; delete table ip6 reference"]);
  }

  /**
   * Long requests, and long answers, through every frontend. Each has its path to itself: what has
   * to be learnt of it was not learnt by an earlier one.
   */
  datagrams(world: World, family: IPFamily): Case[] {
    return SIZES.flatMap((size, index) =>
      this.#frontends(world, family, index).flatMap((each) => bothWays(each, "udp", size)),
    );
  }

  streams(world: World, family: IPFamily): Case[] {
    const each = this.#frontends(world, family, SIZES.length);
    return each.flatMap((frontend) => bothWays(frontend, "tcp", STREAM_BYTES));
  }

  /** The names of those that were not answered. */
  async unanswered(cases: readonly Case[]): Promise<string[]> {
    const clients = [this.node.pod("client"), this.node, this.far];
    const lost = clients.map(async (namespace, at) => {
      const own = cases.filter(({ client }) => client === (["pod", "host", "far"] as const)[at]);
      const input = JSON.stringify(own.map(({ exchange }) => exchange));
      const { stdout } = await namespace.exec(process.execPath, [PROGRAM, "ask"], { input });
      const attempts = JSON.parse(stdout) as number[];
      return own.filter((_, index) => attempts[index] === 0).map(({ name }) => name);
    });
    return (await Promise.all(lost)).flat();
  }

  async close(): Promise<void> {
    await this.portico.close();
    await this.cluster.close();
  }

  /** Of one size, by its number. */
  #frontends(world: World, family: IPFamily, size: number): Frontend[] {
    const own = (at: { addresses: readonly string[] }) =>
      at.addresses[FAMILIES.indexOf(family)] as string;
    const from = (client: Client, at: number) => {
      if (client === "far") return farClient(family, numberOf(world, at, size));
      return own(client === "pod" ? this.node.pod("client") : this.node);
    };
    const locals = LOCAL_NAMES.map((name, at): Frontend => {
      const { masquerades, ...where } = LOCAL[name];
      const dialled =
        "port" in where
          ? { address: own(this.node), port: where.port }
          : { address: addressOf(family, name, where.number), port: PORT };
      const backend = own(this.node.pod("server"));
      return { name, ...dialled, backend, masquerades, client: "far", from: from("far", at) };
    });
    const remotes = REMOTE.map(({ client, kind }, at): Frontend => {
      const number = numberOf(world, at, size);
      return {
        name: `${kind} from ${client} to a backend far away`,
        address: addressOf(family, kind, 100 + number),
        port: PORT,
        backend: farBackend(family, number),
        masquerades: client === "far",
        client,
        from: from(client, LOCAL_NAMES.length),
      };
    });
    return [...locals, ...remotes];
  }
}

const SIZES_AND_STREAM = [...SIZES, STREAM_BYTES] as const;

/** Another one for each world, kind and size; 1 and up. */
function numberOf(world: World, kind: number, size: number): number {
  return 1 + (kind * WORLDS.length + WORLDS.indexOf(world)) * SIZES_AND_STREAM.length + size;
}

function remoteNumbers(world: World): number[] {
  return REMOTE.flatMap((_, at) => SIZES_AND_STREAM.map((_, size) => numberOf(world, at, size)));
}

function addressOf(family: IPFamily, kind: string, number: number): string {
  if (kind === "cluster IP") return family === "IPv4" ? `10.96.0.${number}` : `fd00:96::${number}`;
  return family === "IPv4" ? `203.0.113.${number}` : `fd00:203::${number}`;
}

function bothWays(frontend: Frontend, protocol: Exchange["protocol"], size: number): Case[] {
  const { name, client, from, address: to, port } = frontend;
  const long = { request: [size, SMALL_BYTES], answer: [SMALL_BYTES, size] } as const;
  return (["request", "answer"] as const).map((what) => {
    const [request, answer] = long[what];
    const exchange = { protocol, from, to, port: portOf(protocol, port), request, answer };
    return { name: `${what} of ${size} bytes, ${name}`, client, exchange };
  });
}

function portOf(protocol: Exchange["protocol"], port: number): number {
  return protocol === "tcp" ? port + TCP_PORTS_LATER : port;
}

async function serve(namespace: Namespace, addresses: readonly string[]): Promise<void> {
  const child = namespace.spawn(process.execPath, [
    ...[PROGRAM, "serve", String(TARGET_PORT)],
    ...addresses,
  ]);
  child.stderr?.pipe(process.stderr);
  await new Promise((resolve, reject) => {
    child.stdout?.once("data", resolve);
    child.once("exit", () => reject(new Error("a backend ended before it listened")));
  });
}

function dnatRules(family: IPFamily, frontends: readonly Frontend[]): string {
  const header = family === "IPv4" ? "ip" : "ip6";
  const rules = frontends.flatMap(({ address, port, backend, masquerades }) =>
    (["tcp", "udp"] as const).map((protocol) => {
      const mark = masquerades ? "meta mark set 0x4000 " : "";
      const target = isIPv6(backend) ? `[${backend}]` : backend;
      const dialled = `${header} daddr ${address} ${protocol} dport ${portOf(protocol, port)}`;
      return `${dialled} ${mark}dnat to ${target}:${TARGET_PORT}`;
    }),
  );
  return `table ${header} reference {
    chain services {
      ${[...new Set(rules)].join("\n      ")}
    }
    chain prerouting { type nat hook prerouting priority dstnat; jump services; }
    chain output { type nat hook output priority -100; jump services; }
    chain postrouting { type nat hook postrouting priority srcnat; meta mark 0x4000 masquerade; }
  }\n`;
}

function localServices(pod: readonly string[]): KubernetesObject[] {
  return [
    ...objects({
      name: "local",
      number: LOCAL["cluster IP"].number,
      backends: pod,
      nodePort: NODE_PORT,
      spec: { externalIPs: addresses("external IP", LOCAL["external IP"].number) },
      balancer: LOCAL["load balancer"].number,
    }),
    ...objects({
      name: "policy-local",
      number: 99,
      backends: pod,
      nodePort: LOCAL_NODE_PORT,
      spec: { externalTrafficPolicy: "Local" },
      balancer: LOCAL["load balancer, policy Local"].number,
    }),
  ];
}

function remoteService(number: number): KubernetesObject[] {
  const backends = FAMILIES.map((family) => farBackend(family, number));
  const spec = { externalIPs: addresses("external IP", 100 + number) };
  return objects({ name: `remote-${number}`, number: 100 + number, backends, spec });
}

function addresses(kind: string, number: number): string[] {
  return FAMILIES.map((family) => addressOf(family, kind, number));
}

interface Sketch {
  name: string;
  /** Of its cluster IPs. */
  number: number;
  /** One of each family. */
  backends: readonly string[];
  spec: object;
  nodePort?: number;
  /** The number of its load balancer's addresses. */
  balancer?: number;
}

/** A Service of both families and protocols, and its EndpointSlices. */
function objects(sketch: Sketch): KubernetesObject[] {
  const { name, number, backends, spec, nodePort, balancer } = sketch;
  const clusterIPs = addresses("cluster IP", number);
  const metadata = { name, namespace: "test" };
  const ports = (["udp", "tcp"] as const).map((each) => ({
    service: {
      port: portOf(each, PORT),
      ...(nodePort === undefined ? {} : { nodePort: portOf(each, nodePort) }),
    },
    both: { name: each, protocol: each.toUpperCase() },
  }));
  const type = balancer === undefined ? "ClusterIP" : "LoadBalancer";
  const ingress = balancer === undefined ? [] : addresses("load balancer", balancer);
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: {
      type,
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilies: FAMILIES,
      ...spec,
      ports: ports.map(({ both, service }) => ({ ...both, ...service })),
    },
    status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } },
  };
  const slices = FAMILIES.map((family, at) => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      ...metadata,
      name: `${name}-${family.toLowerCase()}`,
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: family,
    ports: ports.map(({ both }) => ({ ...both, port: TARGET_PORT })),
    endpoints: [{ addresses: [backends[at]], nodeName: balancer === undefined ? "node-2" : NODE }],
  }));
  return [service, ...slices];
}
