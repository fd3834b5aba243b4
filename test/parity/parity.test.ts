// kube-proxy and Portico beside each other: the same objects from the same API server, the same
// connections. Says what differs; see comparison.ts for how, tags.ts for on what.
//
// PARITY_SEED=17 begins the generated states there; -t "seed 17" runs that one alone.
// PARITY_VERBOSE=1 tells what was different only at first sight.
// PARITY_TAGS=tcp4,udp compares on other abilities than those that are switched on; "all": on all.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BothWorlds } from "./both-worlds.ts";
import type { StateReport } from "./comparison.ts";
import { generateState } from "./generate.ts";
import type { State } from "./state.ts";
import { GROUPS } from "./states/groups.ts";
import { COMPARED, TAGS, type Tag } from "./tags.ts";
import { Totals } from "./totals.ts";
import { truthOf } from "./truth.ts";

const FIRST_SEED = Number(process.env.PARITY_SEED ?? 1);

let both: BothWorlds;
const handWritten = new Totals();
const generated = new Totals();

/** How many connections are to be compared. */
const LEAST_HAND_WRITTEN = 500;
const LEAST_GENERATED = 2_000;
const ALL_STATES = Object.values(GROUPS).flat().length;
/** Each a test: a state has up to 40 connections. */
const SEEDS = Array.from({ length: 120 }, (_, index) => FIRST_SEED + index);

beforeAll(async () => {
  both = await BothWorlds.open(comparedTags());
}, 900_000); // the first run builds Kubernetes

afterAll(async () => {
  await both?.close();
  console.log(`hand-written: ${handWritten}\ngenerated: ${generated}`);
  const again = [...handWritten.secondLooks, ...generated.secondLooks];
  if (process.env.PARITY_VERBOSE) console.log(`looked at again:\n${again.join("\n")}`);
});

function comparedTags(): readonly Tag[] {
  const wish = process.env.PARITY_TAGS;
  if (wish === undefined) return COMPARED;
  return TAGS.filter((tag) => wish === "all" || wish.split(",").includes(tag));
}

async function run(state: State, totals: Totals): Promise<StateReport> {
  const report = await both.comparison.run(state);
  totals.add(report);
  return report;
}

describe.each(Object.entries(GROUPS))("%s", (group, states) => {
  const truth: string[] = [];
  it.each(states.map((each) => [each.name, each] as const))("%s", async (name, each) => {
    const report = await run(each, handWritten);
    truth.push(truthOf(name, report.findings));
    expect(report.differences).toEqual([]);
  });
  it("kube-proxy does as it was seen to do", async () => {
    if (truth.length < states.length) return; // only some were run
    await expect(truth.join("\n")).toMatchFileSnapshot(`golden/${group}.txt`);
  });
});

describe("generated", () => {
  it.each(SEEDS)("seed %i", async (seed) => {
    if (generated.compared >= LEAST_GENERATED) return;
    const report = await run(generateState(seed, comparedTags()), generated);
    expect(report.differences).toEqual([]);
  });
});

it("compares enough", (context) => {
  if (process.env.PARITY_TAGS !== undefined || handWritten.states < ALL_STATES) context.skip();
  expect(handWritten.compared).toBeGreaterThanOrEqual(LEAST_HAND_WRITTEN);
  expect(generated.compared).toBeGreaterThanOrEqual(LEAST_GENERATED);
});
