// A node with Pods that answer datagrams, Portico on it, and Services as short as tests need them.

import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode, type Pod } from "../namespaces/cluster.ts";
import type { DialResult } from "../namespaces/messages.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import { type KubernetesObject, PorticoProcess } from "./portico-fixture.ts";

export const NODE = "node-1";
/** What the backends listen on; they say who they are. */
export const TARGET_PORT = 5353;
/** What they send back as it came. */
export const ECHO_PORT = 7;
export const VIP = "10.96.0.53";
export const VIP6 = "fd00:96::53";
const PROGRAM = new URL("./datagrams.ts", import.meta.url).pathname;

/** What of an endpoint differs from ready. */
interface EndpointSketch {
  /** The host stands for a Pod of the host's network. */
  pod: "pod-b" | "pod-c" | "host";
  serving?: boolean;
  terminating?: boolean;
}

interface UdpServiceSketch {
  endpoints: readonly EndpointSketch[];
  port?: number;
  portName?: string;
  targetPort?: number;
  nodePort?: number;
  affinity?: boolean;
  /** In both families otherwise. */
  family?: "IPv4" | "IPv6";
  name?: string;
}

interface Program {
  child: ChildProcess;
  /** What it printed first. */
  first: unknown;
  /** The next line that it prints. */
  next(): Promise<unknown>;
}

export class UdpLab {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly portico: PorticoProcess;
  #applied = 0;

  private constructor(cluster: Cluster, node: ClusterNode) {
    this.cluster = cluster;
    this.node = node;
    this.portico = new PorticoProcess(node);
  }

  /** Portico does not run yet. */
  static async make(): Promise<UdpLab> {
    const pods = { "pod-a": "auto", "pod-b": "auto", "pod-c": "auto" } as const;
    const { cluster, node } = await makeNode({ name: NODE, pods, dualStack: true });
    const lab = new UdpLab(cluster, node);
    const backends = ["pod-b", "pod-c"].map((name) => node.pod(name));
    await Promise.all(backends.map((pod) => pod.serve({ udp: TARGET_PORT })));
    for (const pod of backends) pod.spawn(process.execPath, [PROGRAM, "echo", String(ECHO_PORT)]);
    return lab;
  }

  get client(): Pod {
    return this.node.pod("pod-a");
  }

  /** Resolves once Envoy and the kernel have it: a Service beside these is there for that. */
  async apply(...services: readonly UdpServiceSketch[]): Promise<void> {
    const address = `10.96.9.${++this.#applied}`;
    const ports = [{ port: 80 }];
    const marker = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "marker", namespace: "test" },
      spec: { clusterIP: address, clusterIPs: [address], ports },
    };
    const objects = services.flatMap((sketch) => this.#objects(sketch));
    this.portico.write([nodeObject(this.node), marker, ...objects]);
    const element = `{ ${address} . tcp . 80 }`;
    const get = ["get", "element", "inet", "portico", "frontends_v4", element];
    await eventually("the kernel as the objects say", 10_000, async () => {
      const { code } = await this.node.exec("nft", get, { allowFailure: true });
      return code === 0;
    });
  }

  /** Who answers a datagram from the client, or how it went otherwise. */
  async ask(options: { localPort?: number; from?: Namespace; to?: string; port?: number } = {}) {
    const { outcome, name } = await this.dial(options);
    return outcome === "answered" ? name : outcome;
  }

  async dial({
    localPort = 0,
    from = this.client,
    to = VIP,
    port = 53,
  }: {
    localPort?: number;
    from?: Namespace;
    to?: string;
    port?: number;
  }): Promise<DialResult> {
    const dialer = await from.dialer();
    return dialer.dialOnce(to, port, { protocol: "UDP", localPort, timeoutMs: 1_000 });
  }

  /** Runs datagrams.ts in a namespace; returns what it printed. */
  async datagrams(from: Namespace, ...args: readonly (string | number)[]): Promise<unknown> {
    const { stdout } = await from.exec(process.execPath, [PROGRAM, ...args.map(String)]);
    return JSON.parse(stdout);
  }

  /** Starts datagrams.ts in a namespace; resolves with it and a reader of its lines. */
  async program(from: Namespace, ...args: readonly (string | number)[]): Promise<Program> {
    const child = from.spawn(process.execPath, [PROGRAM, ...args.map(String)]);
    if (!child.stdout) throw new Error("no standard output");
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value as string) as unknown;
    return { child, first: await next(), next };
  }

  /** "address:port" of all UDP sockets of the node. */
  async sockets(): Promise<string[]> {
    const { stdout } = await this.node.exec("ss", ["-Hnua"]);
    return stdout.split("\n").flatMap((line) => line.split(/\s+/)[3] ?? []);
  }

  async close(): Promise<void> {
    await this.portico.close();
    await this.cluster.close();
  }

  #addressesOf(pod: EndpointSketch["pod"]): readonly string[] {
    return pod === "host" ? this.node.addresses : this.node.pod(pod).addresses;
  }

  #objects(sketch: UdpServiceSketch): KubernetesObject[] {
    const { name = "dns", family, affinity = false, nodePort } = sketch;
    const portName = sketch.portName ?? "any";
    const families = (["IPv4", "IPv6"] as const).filter((each) => !family || each === family);
    const clusterIPs = families.map((each) => (each === "IPv4" ? VIP : VIP6));
    const port = { name: portName, protocol: "UDP", port: sketch.port ?? 53 };
    const slices = families.map((each, index) => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: `${name}-${index}`,
        namespace: "test",
        labels: { "kubernetes.io/service-name": name },
      },
      addressType: each,
      ports: [{ name: portName, protocol: "UDP", port: sketch.targetPort ?? TARGET_PORT }],
      endpoints: sketch.endpoints.map(({ pod, serving = true, terminating = false }) => ({
        addresses: [this.#addressesOf(pod)[each === "IPv4" ? 0 : 1]],
        nodeName: NODE,
        conditions: { ready: serving && !terminating, serving, terminating },
      })),
    }));
    const spec = {
      type: nodePort === undefined ? "ClusterIP" : "NodePort",
      clusterIP: clusterIPs[0],
      clusterIPs,
      ports: [nodePort === undefined ? port : { ...port, nodePort }],
      sessionAffinity: affinity ? "ClientIP" : "None",
    };
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "test" },
      spec,
    };
    return [service, ...slices];
  }
}

function nodeObject({ addresses }: ClusterNode): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: NODE },
    status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
  };
}

/** Waits until asking gives this answer. */
export async function untilAnswer(ask: () => Promise<string>, wanted: string): Promise<void> {
  let last = "";
  await eventually(`"${wanted}"`, 5_000, async () => {
    last = await ask();
    return last === wanted;
  }).catch((error: Error) => expect(last, error.message).toBe(wanted));
}
