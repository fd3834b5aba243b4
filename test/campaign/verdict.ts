// What clients saw in a round and the faults of the round → what may not be. Pure.

import type { Allowance } from "./fault.ts";
import type { Fault } from "./plan.ts";

/** One connection or query, from its first packet to its outcome; milliseconds of one clock. */
export interface Attempt {
  /** Which of the clients' streams it belongs to, as people call it. */
  stream: string;
  /** Whether it went over a connection that had been open before. */
  isHeld: boolean;
  begin: number;
  end: number;
  /** "answered", or how it failed. */
  outcome: string;
  /** Who answered; empty unless answered. */
  backend: string;
  /** Who may have answered. */
  expected: readonly string[];
}

/** A fault as it was done. */
export interface Happened {
  fault: Fault;
  allows: Allowance;
  injectedAt: number;
  healedAt: number;
}

export interface Loss {
  held: number;
  fresh: number;
  /** Of those that were answered, the one that took longest; 0 without any. */
  slowestMs: number;
}

/** What was lost, whether it may be or not. */
export function lossOf(attempts: readonly Attempt[]): Loss {
  const failed = attempts.filter(({ outcome }) => outcome !== "answered");
  const answered = attempts.filter(({ outcome }) => outcome === "answered");
  return {
    held: failed.filter(({ isHeld }) => isHeld).length,
    fresh: failed.filter(({ isHeld }) => !isHeld).length,
    slowestMs: Math.max(0, ...answered.map(({ begin, end }) => end - begin)),
  };
}

/** A line for each attempt that no fault of the round excuses. */
export function violationsIn(
  attempts: readonly Attempt[],
  happened: readonly Happened[],
): string[] {
  return attempts.flatMap((attempt) => {
    const { outcome, backend, expected, stream } = attempt;
    if (outcome === "answered") {
      const isRight = expected.length === 0 || expected.includes(backend);
      const excused = happened.some(({ allows }) => allows.affinity);
      if (isRight || (expected.length === 1 && excused)) return [];
      return [`${stream}: answered by ${backend}, expected ${expected.join(" or ")}`];
    }
    if (happened.some((each) => excuses(each, attempt))) return [];
    const kind = attempt.isHeld ? "an open connection" : "a new connection";
    return [`${stream}: ${kind} ended with ${outcome} (${timesOf(attempt, happened)})`];
  });
}

function excuses({ allows, injectedAt, healedAt }: Happened, attempt: Attempt): boolean {
  if (attempt.end < injectedAt) return false;
  if (attempt.isHeld) return allows.open === true;
  return allows.newMs !== undefined && attempt.begin <= healedAt + allows.newMs;
}

function timesOf({ begin, end }: Attempt, happened: readonly Happened[]): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  const lasted = `lasted ${seconds(end - begin)} s`;
  const since = happened.map(({ fault, injectedAt, healedAt }) => {
    const from = `${seconds(begin - injectedAt)} s after ${fault.kind} began`;
    return `${from} and ${seconds(begin - healedAt)} s after it was over`;
  });
  return [lasted, ...since].join(", ");
}
