// Peers and a load → samples, one per peer, kind of load and round.

import type { LoadPrograms } from "../load/programs.ts";
import { type Load, runLoad } from "../load/run.ts";
import { settledCpuMicroseconds } from "../process-cost.ts";
import { progress } from "../progress.ts";
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

interface RoundsOptions {
  programs: LoadPrograms;
  peers: readonly Peer[];
  loads: Loads;
  rounds: number;
}

/**
 * Each peer in each round, in an order drawn for each round, so that what else the machine does
 * meets all of them alike, and no peer has the same neighbours each time. Round 0 is for warming
 * up.
 */
export function* inTurn(peers: readonly Peer[], rounds: number) {
  for (let round = 0; round <= rounds; round++) {
    progress(round === 0 ? "warming up" : `round ${round} of ${rounds}`);
    for (const peer of shuffled(peers)) yield { peer, round };
  }
}

/** A round of warming up, which is not in the result, then the rounds. */
export async function runRounds(options: RoundsOptions): Promise<Sample[]> {
  const { programs, peers, loads, rounds } = options;
  const samples: Sample[] = [];
  for (const { peer, round } of inTurn(peers, rounds)) {
    for (const kind of LOAD_KINDS) {
      const load = loads[kind];
      if (load === undefined) continue;
      const sample = await measure(programs, peer, kind, load);
      if (round > 0) samples.push({ ...sample, round });
    }
  }
  return samples;
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
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
