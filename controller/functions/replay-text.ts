// What a replay found → text for a terminal.

import type { Replayed, Tally } from "./replay.ts";

const BAR_WIDTH = 40;
/** More backends than that are shown as a range. */
const MAX_ROWS = 24;

/** Returns lines, each with its end. */
export function describeReplay(name: string, replayed: Replayed): string {
  const { tally, random, fuel } = replayed;
  const total = sum(tally.picks);
  const lines = [
    `${name}: ${replayed.moduleBytes} bytes, ${replayed.linkedBytes} in the plugin`,
    `${total} connections, ${replayed.nanoseconds.toFixed(0)} ns a pick in this process; ` +
      `fuel ${fuel.mean.toFixed(0)} on average, ${fuel.largest} at most, of ${fuel.limit}`,
    "",
    ...rows(replayed.names, tally.picks, total),
    "",
    "                                   this    random",
    compared("most open, of the mean", tally, random, ({ fullest }) => `${fullest.toFixed(2)} x`),
    compared("client's last backend again", tally, random, ({ kept }) => percent(kept)),
    compared("in the zone of the node", tally, random, ({ ownZone }) => percent(ownZone)),
  ];
  const failed = tally.failures.reduce((count, [, each]) => count + each, 0);
  if (tally.any > failed) {
    lines.push("", `${tally.any - failed} times it returned null: the built-in pick`);
  }
  if (failed > 0) lines.push("", "FAILED, so that the built-in pick was used:");
  for (const [text, count] of tally.failures) lines.push(`${String(count).padStart(8)}  ${text}`);
  return `${lines.join("\n")}\n`;
}

function rows(names: readonly string[], picks: readonly number[], total: number): string[] {
  const width = Math.max(...names.map((name) => name.length));
  const most = Math.max(...picks, 1);
  const shown = names.slice(0, MAX_ROWS).map((name, index) => {
    const count = picks[index] ?? 0;
    const bar = "#".repeat(Math.round((count / most) * BAR_WIDTH));
    const share = percent((100 * count) / total).padStart(7);
    return `  ${name.padEnd(width)} ${String(count).padStart(8)} ${share}  ${bar}`.trimEnd();
  });
  const rest = picks.slice(MAX_ROWS);
  if (rest.length === 0) return shown;
  const [least, largest] = [Math.min(...rest), Math.max(...rest)];
  return [...shown, `  ${rest.length} more, ${least} to ${largest} connections each`];
}

function compared(
  what: string,
  tally: Tally,
  random: Tally,
  value: (tally: Tally) => string,
): string {
  return `  ${what.padEnd(28)} ${value(tally).padStart(8)}  ${value(random).padStart(8)}`;
}

function percent(value: number): string {
  return `${value.toFixed(1)} %`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
