// A round and what came of it → lines to read. Pure.

import { describeFault, type Round } from "./plan.ts";
import type { Loss } from "./verdict.ts";

const INDENT = "         ";

interface Outcome {
  /** Since the campaign began. */
  atMs: number;
  loss: Loss;
  /** Milliseconds until the node obeyed the model, or why it does not. */
  settled: number | Error;
  failures: readonly string[];
}

/** What the failures of a round begin with. */
export function nameOf(round: number): string {
  return `round ${round}:`;
}

export function roundLines(round: Round, { atMs, loss, settled, failures }: Outcome): string[] {
  const what = round.faults.map(describeFault).join(" + ");
  const parts = [
    `${nameOf(round.number)} ${what}: ${failures.length === 0 ? "ok" : "FAILED"}`,
    `lost ${loss.held} open, ${loss.fresh} new`,
    `slowest ${seconds(loss.slowestMs)}`,
    typeof settled === "number" ? `settled in ${seconds(settled)}` : "not settled",
  ];
  const shown = failures.map((failure) => `${INDENT}${failure}`);
  return [`${seconds(atMs).padStart(8)}  ${parts.join("; ")}`, ...shown];
}

/** How to run a round again, alone. */
export function againLine(
  { seed, faults, longestMs }: { seed: number; faults: number; longestMs: number },
  round: number,
): string {
  const flags = `--seed ${seed} --longest ${longestMs / 1000} --faults ${faults} --round ${round}`;
  return `${INDENT}again: npm run campaign -- ${flags}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
