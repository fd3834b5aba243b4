// Peers and a load → samples, one per peer, kind of load and round. Interleaved: in each round
// every peer has its turn, beginning with another one each time, so that what else the machine does
// meets all of them alike.

import type { LoadPrograms } from "../load/programs.ts";
import { type Load, runLoad } from "../load/run.ts";
import { settledCpuMicroseconds } from "../process-cost.ts";
import type { Peer } from "./peer.ts";

/** "new": one request per connection. "keep-alive": many on each of a few connections. */
export const LOAD_KINDS = ["new", "keep-alive"] as const;
export type LoadKind = (typeof LOAD_KINDS)[number];
/** Kinds that are absent are not run. */
export type Loads = Partial<Record<LoadKind, Load>>;

export interface Sample {
  peer: string;
  kind: LoadKind;
  round: number;
  /** Connections a second, or requests a second. */
  perSecond: number;
  /** CPU time of the proxy per connection or request, µs; undefined where there is no proxy. */
  cpuUs: number | undefined;
  latencyUs: { p50: number; p99: number };
  failures: number;
  /** The first failure in words; empty when there is none. */
  error: string;
}

export interface RoundsOptions {
  programs: LoadPrograms;
  peers: readonly Peer[];
  loads: Loads;
  rounds: number;
  /** Told before each round. */
  tell(line: string): void;
}

/** A round of warming up, which is not in the result, then the rounds. */
export async function runRounds(options: RoundsOptions): Promise<Sample[]> {
  const { peers, loads, rounds, tell } = options;
  const samples: Sample[] = [];
  for (let round = 0; round <= rounds; round++) {
    tell(round === 0 ? "warming up" : `round ${round} of ${rounds}`);
    const first = round % peers.length;
    for (const peer of [...peers.slice(first), ...peers.slice(0, first)]) {
      for (const kind of LOAD_KINDS) {
        const load = loads[kind];
        if (load === undefined) continue;
        const sample = await measure(options.programs, peer, kind, load);
        if (round > 0) samples.push({ ...sample, round });
      }
    }
  }
  return samples;
}

async function measure(
  programs: LoadPrograms,
  peer: Peer,
  kind: LoadKind,
  load: Load,
): Promise<Omit<Sample, "round">> {
  const before = await cpu(peer);
  const result = await runLoad(programs, peer.stand.client, peer.target, load);
  const after = await cpu(peer);
  const done = kind === "new" ? result.connections : result.requests;
  return {
    peer: peer.name,
    kind,
    perSecond: done / result.seconds,
    cpuUs: before === undefined || after === undefined ? undefined : (after - before) / done,
    latencyUs: { p50: result.latencyUs.p50, p99: result.latencyUs.p99 },
    failures: result.failures,
    error: result.error,
  };
}

async function cpu({ pid }: Peer): Promise<number | undefined> {
  return pid === undefined ? undefined : settledCpuMicroseconds(pid);
}
