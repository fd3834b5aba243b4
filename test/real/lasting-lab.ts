// A node with Portico on it and connections that last, through each kind of capture listener and in
// both families, of which both ends say what becomes of them (witness.ts).
//
//    keep         Pod client → cluster IP
//    masquerade   outside → node port
//    local        outside → external IP of policy Local

import { onTestFinished } from "vitest";
import type { IPFamily } from "../../controller/model/types.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import { ipBatch } from "../namespaces/command.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import { type KubernetesObject, PorticoProcess } from "./portico-fixture.ts";

type Kind = "keep" | "masquerade" | "local";
export const KINDS: readonly Kind[] = ["keep", "masquerade", "local"];
const FAMILIES: readonly IPFamily[] = ["IPv4", "IPv6"];

const PORT = 8080;
const NODE_PORT = 30_080;
const CLUSTER_IPS: Record<IPFamily, string> = { IPv4: "10.96.0.10", IPv6: "fd00:96::a" };
const EXTERNAL_IPS: Record<IPFamily, string> = { IPv4: "203.0.113.9", IPv6: "fd00:e::9" };
const PATIENCE_MS = 15_000;
const WITNESS = new URL("./witness.ts", import.meta.url).pathname;

/** As sure of a vanished end as they can be: 3 s and what the kernel's timers add. */
export const SHORT_KEEPALIVES: readonly string[] = [
  ...["--tcp-keepalive-time", "1s"],
  ...["--tcp-keepalive-interval", "1s"],
  ...["--tcp-keepalive-probes", "2"],
];
export const NO_KEEPALIVES: readonly string[] = ["--tcp-keepalive-time", "0s"];

/** A running witness.ts. */
export class Witness {
  readonly #lines: string[] = [];
  readonly #tell: (line: string) => void;

  constructor(where: Namespace, ...args: readonly string[]) {
    const child = where.spawn(process.execPath, [WITNESS, ...args]);
    let rest = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
    });
    child.stderr?.pipe(process.stderr);
    this.#tell = (line) => child.stdin?.write(`${line}\n`);
  }

  tell(...words: readonly string[]): void {
    this.#tell(words.join(" "));
  }

  /** Resolves with the rest of the first line that begins so. */
  async says(begin: string): Promise<string> {
    const found = () => this.#lines.find((line) => line === begin || line.startsWith(`${begin} `));
    await eventually(`"${begin}"`, PATIENCE_MS, async () => found() !== undefined);
    return (found() ?? "").slice(begin.length + 1);
  }

  /** How the connection has ended; undefined: it has not. */
  end(name: string): string | undefined {
    const begin = `end ${name} `;
    return this.#lines.find((line) => line.startsWith(begin))?.slice(begin.length);
  }
}

export class LastingConnection {
  readonly name: string;
  readonly client: Witness;
  readonly server: Witness;
  /** Of the client as it is there, and as the server sees it; one where they are the same. */
  readonly ports: readonly string[];

  constructor(name: string, client: Witness, server: Witness, ports: readonly string[]) {
    this.name = name;
    this.client = client;
    this.server = server;
    this.ports = ports;
  }

  /** Throws when one end does not hear the other. */
  async carries(text: string): Promise<void> {
    await this.carriesUp(`${text} up`);
    await this.carriesDown(`${text} down`);
  }

  async carriesUp(text: string): Promise<void> {
    this.client.tell("say", this.name, text);
    await this.server.says(`heard ${this.name} ${text}`);
  }

  async carriesDown(text: string): Promise<void> {
    this.server.tell("say", this.name, text);
    await this.client.says(`heard ${this.name} ${text}`);
  }

  /** How each end has seen the end; undefined: it has not. */
  ends(): { client: string | undefined; server: string | undefined } {
    return { client: this.client.end(this.name), server: this.server.end(this.name) };
  }
}

export class LastingLab {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly portico: PorticoProcess;
  readonly #server: Witness;
  readonly #clients: Record<Kind, Witness>;
  #count = 0;

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.node = cluster.node("node-1");
    this.portico = new PorticoProcess(this.node);
    this.portico.write(objects(this.node));
    this.#server = new Witness(this.node.pod("web"), "server", String(PORT));
    const outside = new Witness(cluster.outside, "client");
    const keep = new Witness(this.node.pod("client"), "client");
    this.#clients = { keep, masquerade: outside, local: outside };
  }

  static async make(): Promise<LastingLab> {
    const pods = { client: "auto", web: "auto" } as const;
    const cluster = await makeCluster({ nodes: [{ name: "node-1", pods }], dualStack: true });
    const lab = new LastingLab(cluster);
    const [node4, node6] = lab.node.addresses;
    await ipBatch(
      [
        `route add ${EXTERNAL_IPS.IPv4} via ${node4}`,
        `route add ${EXTERNAL_IPS.IPv6} via ${node6}`,
      ],
      cluster.outside.name,
    );
    await lab.#server.says("listening");
    return lab;
  }

  /** Starts a controller and an Envoy, instead of those that run. */
  async start(args: readonly string[]): Promise<void> {
    await this.portico.end("SIGTERM");
    await this.portico.command("cleanup");
    await this.restart(args);
  }

  /** Starts a controller with other flags, instead of the one that runs. */
  async restart(args: readonly string[]): Promise<void> {
    await this.portico.end("SIGTERM");
    await this.portico.start(args);
    await this.portico.synced(30_000);
  }

  /** One connection of each kind and family. */
  openAll(): Promise<LastingConnection[]> {
    const both = FAMILIES.flatMap((family) => KINDS.map((kind) => this.open(kind, family)));
    return Promise.all(both);
  }

  async open(kind: Kind, family: IPFamily): Promise<LastingConnection> {
    const name = `${kind}-${family}-${++this.#count}`;
    const client = this.#clients[kind];
    client.tell(name, ...this.#frontend(kind, family));
    return this.#opened(name, client);
  }

  /** Past Portico: to the backend itself. */
  async openDirectly(family: IPFamily): Promise<LastingConnection> {
    const name = `direct-${family}-${++this.#count}`;
    const client = this.#clients.keep;
    client.tell(name, addressOf(this.node.pod("web").addresses, family), String(PORT));
    return this.#opened(name, client);
  }

  /** Once it is; it is closed when the test has ended. */
  async #opened(name: string, client: Witness): Promise<LastingConnection> {
    const witnesses = [client, this.#server];
    const ports = await Promise.all(witnesses.map((each) => each.says(`open ${name}`)));
    onTestFinished(() => client.tell("close", name));
    return new LastingConnection(name, client, this.#server, [...new Set(ports)]);
  }

  #frontend(kind: Kind, family: IPFamily): [string, string] {
    if (kind === "keep") return [CLUSTER_IPS[family], "80"];
    if (kind === "local") return [EXTERNAL_IPS[family], "80"];
    return [addressOf(this.node.addresses, family), String(NODE_PORT)];
  }

  /**
   * How many entries the node's connection tracking has of these: two of each, with their ports.
   * What a connection leaves behind that has ended does not count.
   */
  async tracked(all: readonly LastingConnection[]): Promise<number> {
    const { stdout } = await this.node.exec("cat", ["/proc/self/net/nf_conntrack"]);
    const lines = stdout.split("\n").filter((line) => !/ (TIME_WAIT|CLOSE|LAST_ACK) /.test(line));
    const ports = lines.flatMap((line) => /sport=(\d+)/.exec(line)?.[1] ?? []);
    return all.flatMap((each) => each.ports.filter((port) => ports.includes(port))).length;
  }

  /** How many sockets Envoy has of these: two of each. */
  async sockets(all: readonly LastingConnection[]): Promise<number> {
    const { stdout } = await this.node.exec("ss", ["-Htn", "exclude", "time-wait"]);
    const found = stdout.matchAll(/:(\d+)(?=\s)/g);
    const ports = new Set([...found].map(([, port = ""]) => port));
    return all.flatMap((each) => each.ports.filter((port) => ports.has(port))).length;
  }

  /** Sets sysctls of the node's network until the test has ended. */
  async sysctls(values: Readonly<Record<string, number>>): Promise<void> {
    for (const [name, value] of Object.entries(values)) {
      const { stdout } = await this.node.exec("sysctl", ["-n", name]);
      onTestFinished(async () => void (await this.#set(name, stdout.trim())));
      await this.#set(name, String(value));
    }
  }

  async #set(name: string, value: string): Promise<void> {
    await this.node.exec("sysctl", ["-qw", `${name}=${value}`]);
  }

  async close(): Promise<void> {
    await this.portico.close();
    await this.cluster.close();
  }
}

function addressOf(addresses: readonly string[], family: IPFamily): string {
  return addresses[family === "IPv4" ? 0 : 1] as string;
}

const CUT = `table inet cut {
  chain arriving { type filter hook prerouting priority -400; policy drop; }
  chain leaving { type filter hook postrouting priority 400; policy drop; }
}`;

/** As a link on which everything is lost, or a machine without power. */
export async function cutOff(where: Namespace): Promise<void> {
  await where.exec("nft", ["-f", "-"], { input: CUT });
}

export async function reconnect(where: Namespace): Promise<void> {
  await where.exec("nft", ["delete", "table", "inet", "cut"]);
}

function objects(node: ClusterNode): KubernetesObject[] {
  const families = { ipFamilies: FAMILIES, ipFamilyPolicy: "RequireDualStack" };
  const clusterIPs = Object.values(CLUSTER_IPS);
  const own = { clusterIP: clusterIPs[0], clusterIPs, ...families };
  const ports = [{ port: 80, protocol: "TCP", targetPort: PORT }];
  return [
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: node.label },
      status: { addresses: node.addresses.map((address) => ({ type: "InternalIP", address })) },
    },
    serviceOf("web", { ...own, type: "ClusterIP", ports }),
    serviceOf("node-port", {
      type: "NodePort",
      ...families,
      clusterIP: "10.96.0.11",
      clusterIPs: ["10.96.0.11", "fd00:96::b"],
      ports: ports.map((port) => ({ ...port, nodePort: NODE_PORT })),
    }),
    serviceOf("local", {
      type: "LoadBalancer",
      ...families,
      clusterIP: "10.96.0.12",
      clusterIPs: ["10.96.0.12", "fd00:96::c"],
      externalTrafficPolicy: "Local",
      externalIPs: Object.values(EXTERNAL_IPS),
      ports,
    }),
    ...["web", "node-port", "local"].flatMap((name) => slicesOf(name, node)),
  ];
}

function serviceOf(name: string, spec: object): KubernetesObject {
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "test" }, spec };
}

function slicesOf(name: string, node: ClusterNode): KubernetesObject[] {
  return FAMILIES.map((addressType) => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${addressType.toLowerCase()}`,
      namespace: "test",
      labels: { "kubernetes.io/service-name": name },
    },
    addressType,
    ports: [{ name: "", port: PORT, protocol: "TCP" }],
    endpoints: [
      { addresses: [addressOf(node.pod("web").addresses, addressType)], nodeName: node.label },
    ],
  }));
}
