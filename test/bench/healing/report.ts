// Tallies → the table that is printed. Pure.

import { columns } from "../../../controller/cli/output.ts";
import type { PeerName } from "./peers.ts";
import type { ScenarioName } from "./scenarios.ts";
import { KNOWN_MS, type Tally, WAITS_MS } from "./tally.ts";

/** One turn. */
export interface Row {
  scenario: ScenarioName;
  peer: PeerName;
  /** CPU of the proxy with all its processes meanwhile. */
  proxyMs: number;
  tally: Tally;
}

const LATER = `LATER THAN ${KNOWN_MS / 1_000} s`;
const HEADING = [
  ...["SCENARIO", "PEER", "CONNECTIONS", "FAILED", "HOW", "P50 ms", "P99 ms", "LONGEST ms"],
  ...[`${LATER}: FAILED`, `WAITED > ${WAITS_MS} ms`, "LONGEST ms", "PROXY'S CPU s"],
];

/** Whether a turn in which nothing fails shows that the machine has too much to do. */
export function isOverload({ scenario, tally }: Row): boolean {
  return scenario === "sound" && (tally.failed > 0 || tally.p99Ms > WAITS_MS);
}

export function textOf(rows: readonly Row[]): string {
  return columns([HEADING, ...rows.map(cellsOf)]);
}

function cellsOf({ scenario, peer, proxyMs, tally }: Row): string[] {
  const { connections, failed, failures, begunBefore, later } = tally;
  const how = Object.entries(failures).map(([outcome, count]) => `${count} ${outcome}`);
  if (begunBefore > 0) how.push(`${begunBefore} of them begun before`);
  return [
    scenario,
    peer,
    String(connections),
    failed === 0 ? "0" : `${failed} (${percentage(failed, connections)})`,
    how.join(", "),
    ...[tally.p50Ms, tally.p99Ms, tally.longestMs].map(milliseconds),
    ...(later
      ? [String(later.failed), String(later.waited), milliseconds(later.longestMs)]
      : ["", "", ""]),
    (proxyMs / 1_000).toFixed(1),
  ];
}

/** Never 0 % of some, never 100 % of fewer. */
function percentage(part: number, all: number): string {
  const share = (100 * part) / all;
  if (share < 0.1) return "< 0.1 %";
  return `${share > 99.9 && part < all ? "> 99.9" : share.toFixed(1)} %`;
}

function milliseconds(value: number): string {
  if (Number.isNaN(value)) return "";
  return value.toFixed(value < 10 ? 1 : 0);
}
