// bench idle: what connections cost that do nothing, without keepalives, with Portico's, and with
// one a second; each on a node of its own, all at once, looked at in turn.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { columns } from "../../../controller/cli/output.ts";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { type Cluster, type ClusterNode, makeNode } from "../../namespaces/cluster.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "../../real/portico-fixture.ts";
import { firstLine } from "../first-line.ts";
import { busyWarning, machine } from "../machine.ts";
import { cpuMicroseconds } from "../process-cost.ts";
import { progress } from "../progress.ts";
import { type Summary, summarize } from "../statistics.ts";

interface IdleOptions {
  connections: number;
  rounds: number;
  seconds: number;
}

const VARIANTS: Record<string, readonly string[]> = {
  none: ["--tcp-keepalive-time", "0s"],
  default: [],
  "every second": ["--tcp-keepalive-time", "1s", "--tcp-keepalive-interval", "1s"],
};
const VIP = "10.96.0.10";
const HOLD = new URL("./hold.ts", import.meta.url).pathname;

interface Peer {
  name: string;
  cluster: Cluster;
  node: ClusterNode;
  portico: PorticoProcess;
  envoy: number;
  /** Of Envoy, µs in a second; and probes in a second, of both hops. */
  cpuUs: number[];
  probes: number[];
}

export function idleCommand(): Command {
  return new Command("idle")
    .description("connections that do nothing: Envoy's CPU, and the probes that the kernel sends")
    .option("--connections <number>", "on each node", integerBetween(1, 10_000), 1_000)
    .option("--rounds <number>", "of all variants in turn", integerBetween(1, 1_000), 5)
    .option("--seconds <number>", "for each look", integerBetween(1, 600), 15)
    .action(idle);
}

async function idle(options: IdleOptions): Promise<void> {
  const peers: Peer[] = [];
  process.stdout.write(`${[machine(), busyWarning()].filter(Boolean).join("\n")}\n`);
  try {
    for (const [name, flags] of Object.entries(VARIANTS)) {
      progress(`${options.connections} connections, keepalives: ${name}`);
      peers.push(await makePeer(name, flags, options.connections));
    }
    for (let round = 0; round < options.rounds; round++) {
      progress(`round ${round + 1} of ${options.rounds}`);
      for (const peer of peers) await look(peer, options.seconds);
    }
    process.stdout.write(report(peers));
  } finally {
    for (const { portico, cluster } of peers) {
      await portico.close();
      await cluster.close();
    }
  }
}

async function makePeer(name: string, flags: readonly string[], count: number): Promise<Peer> {
  const pods = { client: "10.1.1.10", web: "10.1.1.11" };
  const { cluster, node } = await makeNode({ name: "node-1", pods });
  const portico = new PorticoProcess(node);
  const web = serviceObjects({ name: "web", clusterIP: VIP, endpoints: [pods.web] });
  portico.write([nodeObject("node-1", node.address), ...web]);
  await firstLine(node.pod("web").spawn(process.execPath, [HOLD, "server", "8080"]), "the server");
  await portico.start(flags);
  await portico.synced(30_000);
  const args = [HOLD, "client", VIP, "80", String(count)];
  await firstLine(node.pod("client").spawn(process.execPath, args), "the client");
  const envoy = Number(readFileSync(join(portico.runDirectory, "a/envoy.pid"), "utf8"));
  return { name, cluster, node, portico, envoy, cpuUs: [], probes: [] };
}

async function look(peer: Peer, seconds: number): Promise<void> {
  const before = [cpuMicroseconds(peer.envoy), await probesOf(peer.node)] as const;
  await delay(seconds * 1_000);
  peer.cpuUs.push((cpuMicroseconds(peer.envoy) - before[0]) / seconds);
  peer.probes.push(((await probesOf(peer.node)) - before[1]) / seconds);
}

/** That the node's sockets have sent so far: TCPKeepAlive of /proc/net/netstat. */
async function probesOf(node: ClusterNode): Promise<number> {
  const { stdout } = await node.exec("cat", ["/proc/self/net/netstat"]);
  const [names = [], values = []] = stdout
    .split("\n")
    .filter((line) => line.startsWith("TcpExt:"))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("TCPKeepAlive")]);
}

function report(peers: readonly Peer[]): string {
  const shown = ({ median, low, high }: Summary) => {
    return `${median.toFixed(0)} (${low.toFixed(0)} to ${high.toFixed(0)})`;
  };
  const head = ["keepalives", "Envoy's CPU, µs a second", "probes a second, both hops"];
  const rows = peers.map(({ name, cpuUs, probes }) => {
    return [name, shown(summarize(cpuUs)), shown(summarize(probes))];
  });
  return columns([head, ...rows]);
}
