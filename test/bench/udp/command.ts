// bench udp

import { readdirSync } from "node:fs";
import { Command } from "commander";
import { columns } from "../../../controller/cli/output.ts";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { findEnvoy } from "../../../envoy/find.ts";
import { busyWarning, machine } from "../machine.ts";
import { outputOption } from "../options.ts";
import { cpuMicroseconds, residentBytes, settledCpuMicroseconds } from "../process-cost.ts";
import { progress } from "../progress.ts";
import { summarize } from "../statistics.ts";
import { until } from "../until.ts";
import { datagramProgram, runQueries } from "./load.ts";
import { makePeer, UDP_PEERS, type UdpPeer, type UdpPeerName } from "./peers.ts";

interface UdpOptions {
  rounds: number;
  queries: number;
  concurrency: number;
  workers: number;
  output?: string;
}

/** "new": each query from a port of its own. "flow": all from a few ports. */
type Kind = "new" | "flow";

interface Sample {
  peer: UdpPeerName;
  kind: Kind;
  perSecond: number;
  /** CPU time of client, backends and proxy, and of the proxy alone, µs a query. */
  cpuUs: number;
  proxyCpuUs: number;
  p50Us: number;
  p99Us: number;
  lost: number;
  /** By how much the proxy's memory grew. */
  grownBytes: number;
}

interface Figures {
  samples: Sample[];
  /** Of Envoy's memory. */
  bytesPerFlow: number;
}

export function udpCommand(): Command {
  return new Command("udp")
    .description(
      "DNS-like queries through each peer, one after the other in every round, each on a node of " +
        "its own made of network namespaces: from new ports, and within flows. Medians.",
    )
    .option("--rounds <number>", "measured, after one of warming up", integerBetween(1, 1_000), 7)
    .option(
      "--queries <number>",
      "a round; with new ports, each is a flow of Portico's for 5 s",
      integerBetween(100, 20_000),
      4_000,
    )
    .option("--concurrency <number>", "queries at once", integerBetween(1, 1_000), 32)
    .option("--workers <number>", "threads of Envoy", integerBetween(1, 64), 2)
    .addOption(outputOption())
    .action(run);
}

async function run(options: UdpOptions): Promise<void> {
  const before = { machine: machine(), warning: busyWarning() };
  if (before.warning !== undefined) progress(before.warning);
  const program = datagramProgram();
  const envoy = await findEnvoy(process.env, progress);
  const peers: UdpPeer[] = [];
  const samples: Sample[] = [];
  const figures: Figures = { samples, bytesPerFlow: Number.NaN };
  try {
    for (const name of UDP_PEERS) {
      progress(`starting ${name}`);
      peers.push(await makePeer(name, { program, envoy, workers: options.workers }));
    }
    for (let round = 0; round <= options.rounds; round++) {
      progress(round === 0 ? "warming up" : `round ${round} of ${options.rounds}`);
      for (const peer of peers) {
        for (const kind of ["new", "flow"] as const) {
          const sample = await measure(program, peer, kind, options);
          if (round > 0) samples.push(sample);
          // Later rounds get the memory again that the flows of the first one had.
          else if (kind === "new") figures.bytesPerFlow = sample.grownBytes / options.queries;
        }
      }
    }
  } finally {
    for (const peer of peers) await peer.close();
  }
  const text = () => `${before.machine}\n\n${textOf(figures)}`;
  const json = () => JSON.stringify({ ...before, settings: options, ...figures }, null, 2);
  process.stdout.write(`${options.output === "json" ? json() : text()}\n`);
}

async function measure(
  program: string,
  { name, client, target, backends, proxy }: UdpPeer,
  kind: Kind,
  { queries, concurrency }: UdpOptions,
): Promise<Sample> {
  const pids = proxy === undefined ? backends : [...backends, proxy];
  if (proxy !== undefined) await until("flows ended", async () => descriptors(proxy) < 200, 30);
  const memory = proxy === undefined ? 0 : residentBytes(proxy);
  const before = new Map(pids.map((pid) => [pid, cpuMicroseconds(pid)]));
  const load = { count: queries, concurrency, newPorts: kind === "new" };
  const result = await runQueries(program, client, target, load);
  const spent = new Map<number, number>();
  for (const pid of pids) {
    spent.set(pid, (await settledCpuMicroseconds(pid)) - (before.get(pid) ?? 0));
  }
  const all = [...spent.values()].reduce((sum, each) => sum + each, result.cpuUs);
  const own = proxy === undefined ? 0 : (spent.get(proxy) ?? 0);
  return {
    peer: name,
    kind,
    perSecond: result.answered / result.seconds,
    cpuUs: all / queries,
    proxyCpuUs: own / queries,
    p50Us: result.latencyUs.p50,
    p99Us: result.latencyUs.p99,
    lost: result.lost,
    grownBytes: proxy === undefined ? 0 : residentBytes(proxy) - memory,
  };
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function textOf({ samples, bytesPerFlow }: Figures): string {
  const heading = [
    "QUERIES",
    "PEER",
    "A SECOND",
    "CPU µs",
    "OF THE PROXY",
    "P50 µs",
    "P99 µs",
    "LOST",
  ];
  const rows = (["new", "flow"] as const).flatMap((kind) =>
    UDP_PEERS.map((peer) => {
      const own = samples.filter((sample) => sample.peer === peer && sample.kind === kind);
      const median = (value: (sample: Sample) => number) => summarize(own.map(value)).median;
      return [
        kind === "new" ? "from new ports" : "within flows",
        peer,
        median(({ perSecond }) => perSecond).toFixed(0),
        median(({ cpuUs }) => cpuUs).toFixed(1),
        median(({ proxyCpuUs }) => proxyCpuUs).toFixed(1),
        median(({ p50Us }) => p50Us).toFixed(0),
        median(({ p99Us }) => p99Us).toFixed(0),
        String(own.reduce((sum, { lost }) => sum + lost, 0)),
      ];
    }),
  );
  const memory = `A flow takes ${(bytesPerFlow / 1_024).toFixed(1)} KB of Envoy's memory`;
  return `${columns([heading, ...rows])}\n${memory}\n`;
}
