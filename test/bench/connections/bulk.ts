// bench connections bulk: bytes a second, and what they cost, through one connection and through
// many.

import { Command } from "commander";
import { columns } from "../../../controller/cli/output.ts";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import type { LoadPrograms } from "../load/programs.ts";
import { runBulk } from "../load/run.ts";
import { settledCpuMicroseconds } from "../process-cost.ts";
import { measureInTurn, type TimedOptions, timedOptions, withPeers } from "./measured.ts";
import type { Peer } from "./peer.ts";
import { ratioText } from "./same-round.ts";

interface BulkOptions extends TimedOptions {
  connections: number;
}

const DIRECTIONS = ["down", "up"] as const;
type Direction = (typeof DIRECTIONS)[number];

interface BulkSample {
  peer: string;
  /** As rows of the table: how many connections, which way. */
  kind: string;
  round: number;
  gigabytesPerSecond: number;
  /** CPU time of the proxy, and of client, backends and proxy together, ms for 10^9 bytes. */
  proxyMs: number;
  allMs: number;
  hasFailed: boolean;
}

/** The subcommand of `connections`. */
export function bulkCommand(): Command {
  const command = new Command("bulk").description(
    "bytes without end through one connection and through many, to the client (down) and from it " +
      "(up): rate, and CPU for 10^9 bytes",
  );
  return timedOptions(command, 2)
    .option("--connections <number>", "where there are many", integerBetween(2, 1_000), 50)
    .action((options: BulkOptions) => withPeers(options, (parts) => measureAll(parts, options)));
}

async function measureAll(
  { peers, programs }: { peers: readonly Peer[]; programs: LoadPrograms },
  options: BulkOptions,
): Promise<void> {
  const eachLoad = async (peer: Peer) => {
    const measured: Omit<BulkSample, "round">[] = [];
    for (const connections of [1, options.connections]) {
      for (const direction of DIRECTIONS) {
        const load = { connections, direction, seconds: options.seconds };
        measured.push(await measure(programs, peer, load));
      }
    }
    return measured;
  };
  await measureInTurn<BulkSample>(options, peers, eachLoad, (samples) => textOf(samples, peers));
}

async function measure(
  programs: LoadPrograms,
  peer: Peer,
  load: { connections: number; direction: Direction; seconds: number },
): Promise<Omit<BulkSample, "round">> {
  const { stand, pid } = peer;
  const before = await cpuOf(pid, stand.backendPids);
  const result = await runBulk(programs, stand.client, peer.target, load);
  const after = await cpuOf(pid, stand.backendPids);
  const gigabytes = result.bytes / 1e9;
  const proxy = (after.proxy - before.proxy) / 1_000;
  const backends = (after.backends - before.backends) / 1_000;
  return {
    peer: peer.name,
    kind: `${load.connections} ${load.direction}`,
    gigabytesPerSecond: gigabytes / result.seconds,
    proxyMs: proxy / gigabytes,
    allMs: (proxy + backends + result.cpuUs / 1_000) / gigabytes,
    hasFailed: result.failures > 0,
  };
}

async function cpuOf(pid: number | undefined, backendPids: readonly number[]) {
  const backends = await Promise.all(backendPids.map(settledCpuMicroseconds));
  const proxy = pid === undefined ? 0 : await settledCpuMicroseconds(pid);
  return { proxy, backends: backends.reduce((sum, each) => sum + each, 0) };
}

const HEADING = [
  ...["CONNECTIONS", "PEER", "GB/S", "x PORTICO", "CPU OF THE PROXY ms/GB", "x PORTICO"],
  ...["ALL CPU ms/GB", "x PORTICO"],
];

function textOf(samples: readonly BulkSample[], peers: readonly Peer[]): string {
  const kinds = [...new Set(samples.map(({ kind }) => kind))];
  const rows = kinds.flatMap((kind) => {
    const ofKind = samples.filter((sample) => sample.kind === kind);
    return peers.map(({ name: peer }) => [
      kind,
      peer,
      ...ratioText(ofKind, peer, ({ gigabytesPerSecond }) => gigabytesPerSecond, 2),
      ...ratioText(ofKind, peer, ({ proxyMs }) => proxyMs, 0),
      ...ratioText(ofKind, peer, ({ allMs }) => allMs, 0),
    ]);
  });
  return columns([HEADING, ...rows]);
}
