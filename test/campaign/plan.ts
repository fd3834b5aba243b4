// A seed → the faults of a campaign, in rounds. Pure: the same seed, kinds and lengths give the
// same rounds, and each round is drawn from a seed of its own, so that it can be run again alone.
//
// A round has one fault, or two that overlap. After each all is healed, and the node has to obey
// the model again before the next: safety while faults last, liveness once they are over, as in
// TigerBeetle's VOPR and Jepsen's final generators.

import { Chance } from "../parity/chance.ts";

const TWO_AT_ONCE = 0.25;
const SHORTEST_MS = 300;

export interface Fault {
  kind: string;
  variant: string;
  /** After the round began, in milliseconds. */
  beginsMs: number;
  lastsMs: number;
}

export interface Round {
  /** From 1. */
  number: number;
  faults: readonly Fault[];
}

interface Drawable {
  name: string;
  variants: readonly string[];
  weight?: number;
}

interface PlanOptions {
  seed: number;
  faults: number;
  /** No fault lasts longer; most are much shorter. */
  longestMs: number;
  kinds: readonly Drawable[];
}

export function planFrom({ seed, faults, longestMs, kinds }: PlanOptions): Round[] {
  const rounds: Round[] = [];
  for (let left = faults; left > 0; ) {
    const round = drawRound(seed, rounds.length + 1, { longestMs, kinds });
    const kept = round.faults.slice(0, left);
    rounds.push({ ...round, faults: kept });
    left -= kept.length;
  }
  return rounds;
}

/** The round of this number, whatever the others are. */
function drawRound(
  seed: number,
  number: number,
  { longestMs, kinds }: Pick<PlanOptions, "longestMs" | "kinds">,
): Round {
  const chance = new Chance(seed * 100_003 + number);
  const first = drawFault(chance, longestMs, kinds);
  if (kinds.length < 2 || !chance.happens(TWO_AT_ONCE)) return { number, faults: [first] };
  const others = kinds.filter(({ name }) => name !== first.kind);
  const second = drawFault(chance, longestMs, others);
  return { number, faults: [first, { ...second, beginsMs: chance.between(0, first.lastsMs) }] };
}

function drawFault(chance: Chance, longestMs: number, kinds: readonly Drawable[]): Fault {
  const lots = kinds.flatMap((kind) => Array<Drawable>(kind.weight ?? 1).fill(kind));
  const kind = chance.pick(lots);
  const variant = chance.pick(kind.variants);
  // As many between 1 and 2 s as between 10 and 20 s.
  const lastsMs = Math.round(SHORTEST_MS * (longestMs / SHORTEST_MS) ** chance.number());
  return { kind: kind.name, variant, beginsMs: 0, lastsMs };
}

/** "envoy-killed SIGKILL (1.2 s)". */
export function describeFault({ kind, variant, lastsMs }: Fault): string {
  return `${kind} ${variant} (${(lastsMs / 1000).toFixed(1)} s)`;
}
