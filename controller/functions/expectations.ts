// `--expect` of `portico function test`: what has to hold for a replay, so that a build can fail.

import type { Replayed } from "./replay.ts";
import type { Traffic } from "./replay-connections.ts";

export interface Expectation {
  readonly text: string;
  readonly what: string;
  readonly least: number;
  readonly most: number;
}

const NUMBER = String.raw`\d+(?:\.\d+)?`;
const FORM = new RegExp(
  `^(?<what>[^=]+)=(?<least>${NUMBER})?(?<range>\\.\\.(?<most>${NUMBER})?)?$`,
);

/** What `what` may be, for help texts. */
export const EXPECTED_VALUES =
  "a backend or group-N (percent of the connections), failures, any, fuel, kept, own-zone, fullest";

/** Reads "failures=0", "group-1=8..12", "fuel=..5000". Throws Error for another form. */
export function parseExpectation(text: string): Expectation {
  const { what = "", least, range, most } = FORM.exec(text)?.groups ?? {};
  const from = Number(least ?? 0);
  const to = range === undefined ? from : Number(most ?? Number.POSITIVE_INFINITY);
  const isWrong = what === "" || (least === undefined && range === undefined);
  if (isWrong || Number.isNaN(from) || Number.isNaN(to)) {
    throw new Error(
      `--expect ${text}: write WHAT=NUMBER or WHAT=FROM..TO; WHAT: ${EXPECTED_VALUES}`,
    );
  }
  return { text, what, least: from, most: to };
}

/** Returns what is not as expected, as "failures=0: it is 12"; undefined where it is. */
export function unmet(
  { text, what, least, most }: Expectation,
  replayed: Replayed,
  traffic: Traffic,
): string | undefined {
  const value = measured(what, replayed, traffic);
  if (value === undefined) return `${text}: there is no such value; WHAT: ${EXPECTED_VALUES}`;
  if (value >= least && value <= most) return undefined;
  return `${text}: it is ${Number(value.toFixed(2))}`;
}

function measured(what: string, { names, tally, fuel }: Replayed, traffic: Traffic) {
  const total = traffic.connections.length;
  const group = /^group-(?<number>\d+)$/.exec(what)?.groups?.number;
  if (group !== undefined) {
    const own = traffic.backends.map((each) => each.group === Number(group));
    const count = tally.picks.reduce((sum, each, index) => sum + (own[index] ? each : 0), 0);
    return (100 * count) / total;
  }
  const index = names.indexOf(what);
  if (index >= 0) return (100 * (tally.picks[index] ?? 0)) / total;
  const values: Record<string, number> = {
    failures: tally.failures.reduce((sum, [, count]) => sum + count, 0),
    any: (100 * tally.any) / total,
    fuel: fuel.largest,
    kept: tally.kept,
    "own-zone": tally.ownZone,
    fullest: tally.fullest,
  };
  return Object.hasOwn(values, what) ? values[what] : undefined;
}
