// What became of each connection → what is reported of a run. Pure.

import { quantile } from "../statistics.ts";
import { type Dialled, OUTCOMES, type Outcome } from "./open-loop.ts";

/**
 * From here on a client waits: far more than an answer takes on a busy machine, and less than any
 * repetition of a SYN.
 */
export const WAITS_MS = 200;
/** By then after a fault, backends that fail should be known. */
export const KNOWN_MS = 1_000;

export interface Tally {
  connections: number;
  /** All that were not answered. */
  failed: number;
  /** How they failed, without those that did not occur. */
  failures: Partial<Record<Outcome, number>>;
  /** Those of them that were begun before the fault, whose backend may have accepted them. */
  begunBefore: number;
  /** Of those that were answered; NaN when none was. */
  p50Ms: number;
  p99Ms: number;
  /** Of all: until they were answered, or had failed. */
  longestMs: number;
  /** Of those begun once the fault could be known; absent: the run has no such time. */
  later?: Later;
}

interface Later {
  connections: number;
  failed: number;
  /** Answered, after more than WAITS_MS. */
  waited: number;
  longestMs: number;
}

/** `faultMs`: when it began, since the first connection; undefined: faults come all the time. */
export function tallyOf(dialled: readonly Dialled[], faultMs: number | undefined): Tally {
  const answered = dialled.filter(isAnswered).map(({ waitedMs }) => waitedMs);
  const tally: Tally = {
    connections: dialled.length,
    failed: dialled.length - answered.length,
    failures: failuresIn(dialled),
    begunBefore: dialled.filter((each) => !isAnswered(each) && each.startMs < (faultMs ?? 0))
      .length,
    p50Ms: quantile(answered, 0.5),
    p99Ms: quantile(answered, 0.99),
    longestMs: longestOf(dialled),
  };
  if (faultMs === undefined) return tally;
  const late = dialled.filter(({ startMs }) => startMs >= faultMs + KNOWN_MS);
  const waited = late.filter((each) => isAnswered(each) && each.waitedMs > WAITS_MS).length;
  const failed = late.length - late.filter(isAnswered).length;
  return {
    ...tally,
    later: { connections: late.length, failed, waited, longestMs: longestOf(late) },
  };
}

function isAnswered({ outcome }: Dialled): boolean {
  return outcome === "answered";
}

function failuresIn(dialled: readonly Dialled[]): Tally["failures"] {
  const counts: Tally["failures"] = {};
  for (const outcome of OUTCOMES) {
    const count = dialled.filter((each) => each.outcome === outcome).length;
    if (outcome !== "answered" && count > 0) counts[outcome] = count;
  }
  return counts;
}

/** NaN for none. */
function longestOf(dialled: readonly Dialled[]): number {
  return quantile(
    dialled.map(({ waitedMs }) => waitedMs),
    1,
  );
}
