// A node with Portico on it and three kinds of traffic that must not notice an upgrade: new
// connections, UDP queries, and connections that live long.

import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import type { EnvoyStatus } from "../../controller/envoys/envoy-status.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Load } from "../namespaces/dialer.ts";
import type { Tally } from "../namespaces/messages.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import type { Living } from "./long-lived.ts";
import {
  type KubernetesObject,
  nodeObject,
  PorticoProcess,
  serviceObjects,
} from "./portico-fixture.ts";

export const VIP = "10.96.0.10";
export const UDP_VIP = "10.96.0.53";
const LONG_VIP = "10.96.0.20";
const BACKEND = "10.1.1.11";
const LONG_BACKEND = "10.1.1.12";
const OTHER_BACKEND = "10.1.1.13";
/** Services with session affinity and two backends. */
const AFFINITY_VIPS = Array.from({ length: 20 }, (_, index) => `10.96.1.${index + 1}`);
/** Connections of each kind that live long. */
export const EACH = 8;
export const ALL: Living = { idle: EACH, busy: EACH, halfClosed: EACH };
const LATE_VIP = "10.96.0.60";
const LANES = 3;
/**
 * After each try: a query is a flow for 5 s, and there is a limit to those (udp-limits.ts of
 * controller/daemon), as there is to the ports that connections leave in TIME_WAIT.
 */
const PAUSE_MS = 3;
const LONG_LIVED = new URL("./long-lived.ts", import.meta.url).pathname;
const LATE_ANSWER = new URL("./late-answer.ts", import.meta.url).pathname;

export class UpgradeLab {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly portico: PorticoProcess;
  /** What the controller is started with, beside its defaults. */
  args: readonly string[] = ["--service-cidr", "10.96.0.0/16"];

  private constructor(cluster: Cluster, node: ClusterNode) {
    this.cluster = cluster;
    this.node = node;
    this.portico = new PorticoProcess(node);
    this.portico.write(this.objects());
  }

  static async make(): Promise<UpgradeLab> {
    const pods = { client: "10.1.1.10", web: BACKEND, long: LONG_BACKEND, "web-2": OTHER_BACKEND };
    const { cluster, node } = await makeNode({ name: "node-1", pods });
    await node.pod("web").serve({ tcp: 8080, udp: 8080 });
    await node.pod("web-2").serve({ tcp: 8080 });
    await firstLine(programIn(node.pod("long"), LONG_LIVED, "server", 8080), "open");
    return new UpgradeLab(cluster, node);
  }

  /** A query whose answer is late: resolves with what has it answered, and its answer. */
  async udpFlowWithLateAnswer(): Promise<{ answerNow: () => Promise<string> }> {
    const backend = this.node.pod("long");
    const server = programIn(backend, LATE_ANSWER, "server", 8080);
    await firstLine(server, "open");
    const client = programIn(this.node.pod("client"), LATE_ANSWER, "client", LATE_VIP, 5000);
    await firstLine(client, "asked");
    await firstLine(server, "kept");
    const answerNow = async () => {
      const answer = client.lines.next();
      programIn(backend, LATE_ANSWER, "now", 8080);
      return (await answer).value as string;
    };
    return { answerNow };
  }

  objects(others: readonly KubernetesObject[] = []): KubernetesObject[] {
    const endpoints = [BACKEND];
    return [
      nodeObject("node-1", this.node.address),
      ...serviceObjects({ name: "web", clusterIP: VIP, endpoints }),
      ...serviceObjects({ name: "dns", clusterIP: UDP_VIP, endpoints, port: 53, protocol: "UDP" }),
      ...serviceObjects({ name: "long", clusterIP: LONG_VIP, endpoints: [LONG_BACKEND] }),
      ...serviceObjects({
        name: "late",
        clusterIP: LATE_VIP,
        endpoints: [LONG_BACKEND],
        port: 5000,
        protocol: "UDP",
      }),
      ...AFFINITY_VIPS.flatMap((clusterIP, index) => {
        const both = { endpoints: [BACKEND, OTHER_BACKEND], affinityTimeoutSeconds: 3600 };
        return serviceObjects({ name: `affinity-${index}`, clusterIP, ...both });
      }),
      ...others,
    ];
  }

  /** How a query goes that is of one flow with the last one. */
  async askInSameUdpFlow(): Promise<string> {
    const dialer = await this.node.pod("client").dialer();
    const options = { protocol: "UDP", localPort: 20_053, timeoutMs: 10_000 } as const;
    return (await dialer.dialOnce(UDP_VIP, 53, options)).outcome;
  }

  /** Who answers at each Service with session affinity. */
  async chosen(): Promise<string[]> {
    const dialer = await this.node.pod("client").dialer();
    const names: string[] = [];
    for (const address of AFFINITY_VIPS) names.push((await dialer.dialOnce(address, 80)).name);
    return names;
  }

  async start(env: Record<string, string> = {}): Promise<void> {
    await this.portico.start(this.args, env);
    await this.portico.synced(30_000);
  }

  longLived(): Promise<LongLivedConnections> {
    return LongLivedConnections.open(this.node.pod("client"));
  }

  /** New connections and new UDP flows, over and over. */
  async load(): Promise<{ stop: () => Promise<LoadResult> }> {
    const dialer = await this.node.pod("client").dialer();
    const patient = { timeoutMs: 10_000, pauseMs: PAUSE_MS };
    const tcp = await dialer.load(VIP, 80, LANES, patient);
    const udp = await dialer.load(UDP_VIP, 53, 1, { ...patient, protocol: "UDP" });
    const begin = performance.now();
    return { stop: () => resultOf(tcp, udp, begin) };
  }

  async envoys(): Promise<EnvoyStatus> {
    const { stdout, stderr } = await this.portico.command("envoy", "status", "-o", "json");
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout) as EnvoyStatus;
  }

  async pid(): Promise<number> {
    const { active } = await this.envoys();
    if (!active?.pid) throw new Error("no Envoy of Portico's answers");
    return active.pid;
  }

  replace(...args: readonly string[]) {
    return this.portico.command("envoy", "replace", ...args);
  }

  /** Until no Envoy goes on with old connections. */
  async drained(): Promise<void> {
    await eventually("the end of the former Envoy", 30_000, async () => {
      return (await this.envoys()).draining === null;
    });
  }

  async close(): Promise<void> {
    await this.portico.close();
    await this.cluster.close();
  }
}

interface LoadResult {
  tcp: Tally;
  udp: Tally;
  seconds: number;
}

async function resultOf(tcp: Load, udp: Load, begin: number): Promise<LoadResult> {
  const [ofTcp, ofUdp] = await Promise.all([tcp.stop(), udp.stop()]);
  return { tcp: ofTcp, udp: ofUdp, seconds: (performance.now() - begin) / 1_000 };
}

/** Not one failed, and there were some; prints how many. */
export function expectNoFailure(what: string, { tcp, udp, seconds }: LoadResult): void {
  const figures = [tcp, udp].map(({ outcomes, slowestMs }) => {
    return `${outcomes.answered ?? 0} answered, slowest ${Math.round(slowestMs)} ms`;
  });
  console.log(
    `${what}: in ${seconds.toFixed(1)} s, new connections: ${figures[0]}; UDP: ${figures[1]}`,
  );
  for (const { outcomes } of [tcp, udp]) {
    expect(Object.keys(outcomes)).toEqual(["answered"]);
    expect(outcomes.answered).toBeGreaterThan(0);
  }
}

export class LongLivedConnections {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  static async open(from: Namespace): Promise<LongLivedConnections> {
    const program = programIn(from, LONG_LIVED, "client", LONG_VIP, 80, EACH);
    await firstLine(program, "open");
    return new LongLivedConnections(program);
  }

  /** How many of each kind live; `speak` has the idle ones prove it. */
  async living(speak = false): Promise<Living> {
    this.#program.child.stdin?.write(speak ? "speak\n" : "look\n");
    return JSON.parse((await this.#program.lines.next()).value as string) as Living;
  }

  close(): void {
    this.#program.child.kill("SIGKILL");
  }
}

interface Program {
  child: ChildProcess;
  lines: AsyncIterator<string>;
}

/** A program of Node.js. */
function programIn(where: Namespace, path: string, ...args: readonly (string | number)[]): Program {
  const child = where.spawn(process.execPath, [path, ...args.map(String)]);
  if (!child.stdout) throw new Error("no standard output");
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

async function firstLine({ lines }: Program, wanted: string): Promise<void> {
  expect((await lines.next()).value).toBe(wanted);
}
