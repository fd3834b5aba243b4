// kube-proxy and Portico beside each other: the same objects from the same API server, the same
// connections. Says what differs; see comparison.ts for how, tags.ts for on what.
//
// PARITY_SEED=17 begins the generated states there; -t "seed 17" runs that one alone.
// PARITY_SAMPLE=60 compares so many of the hand-written states, drawn from PARITY_SEED, and as
// large a part of the generated ones.
// PARITY_VERBOSE=1 prints what was different only at first sight.
// PARITY_TAGS=tcp4,udp compares on other abilities than those that are switched on; "all": on all.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BothWorlds } from "./both-worlds.ts";
import type { StateReport } from "./comparison.ts";
import { generateState } from "./generate.ts";
import { sampleOf } from "./sample.ts";
import type { State } from "./state.ts";
import { GROUPS } from "./states/groups.ts";
import { COMPARED, TAGS, type Tag } from "./tags.ts";
import { Totals } from "./totals.ts";
import { truthOf } from "./truth.ts";

const FIRST_SEED = Number(process.env.PARITY_SEED ?? 1);
const ALL_STATES = Object.values(GROUPS).flat().length;
const SAMPLE = Math.min(Number(process.env.PARITY_SAMPLE ?? ALL_STATES), ALL_STATES);
const PART = SAMPLE / ALL_STATES;

let both: BothWorlds;
const handWritten = new Totals();
const generated = new Totals();

/** How many connections are to be compared, when all is. */
const LEAST_HAND_WRITTEN = 500;
const LEAST_GENERATED = 2_000;
/**
 * What part of the connections may be looked at again, because the first look found a difference:
 * one that lasts fails, but many that do not are a fault too. On a machine whose two cores had 25
 * programs waiting for them it was a sixth, for want of time on either side.
 */
const MOST_SECOND_LOOKS = 0.25;

const chosen = sampleOf(GROUPS, SAMPLE, FIRST_SEED);
const seeds = seedsFor(LEAST_GENERATED * PART);

beforeAll(async () => {
  both = await BothWorlds.open(comparedTags());
}, 900_000); // the first run builds Kubernetes

afterAll(async () => {
  await both?.close();
  console.log(
    `hand-written (${SAMPLE} of ${ALL_STATES} states, seed ${FIRST_SEED}): ${handWritten}\n` +
      `generated (seeds ${FIRST_SEED} to ${seeds.at(-1)}): ${generated}`,
  );
  const again = [...handWritten.secondLooks, ...generated.secondLooks];
  if (process.env.PARITY_VERBOSE) console.log(`looked at again:\n${again.join("\n")}`);
});

function comparedTags(): readonly Tag[] {
  const wish = process.env.PARITY_TAGS;
  if (wish === undefined) return COMPARED;
  return TAGS.filter((tag) => wish === "all" || wish.split(",").includes(tag));
}

/** From FIRST_SEED on, as many as have so many connections together; each is a test. */
function seedsFor(connections: number): number[] {
  const enough: number[] = [];
  for (let seed = FIRST_SEED, sum = 0; sum < connections; seed++) {
    enough.push(seed);
    const { steps } = generateState(seed, comparedTags());
    sum += steps.reduce((count, { probes }) => count + probes.length, 0);
  }
  return enough;
}

async function run(state: State, totals: Totals): Promise<StateReport> {
  const report = await both.comparison.run(state);
  totals.add(report);
  return report;
}

describe.each(Object.entries(chosen))("%s", (group, states) => {
  const truth = new Map<string, string>();
  it.each(states.map((each) => [each.name, each] as const))("%s", async (name, each) => {
    const report = await run(each, handWritten);
    truth.set(name, truthOf(name, report.findings));
    expect(report.differences).toEqual([]);
  });
  it("kube-proxy does as it was seen to do", async (context) => {
    const total = GROUPS[group]?.length ?? 0;
    context.skip(truth.size < total, `${truth.size} of the ${total} states of the group were run`);
    await expect([...truth.values()].join("\n")).toMatchFileSnapshot(`golden/${group}.txt`);
  });
});

describe("generated", () => {
  it.each(seeds)("seed %i", async (seed) => {
    const report = await run(generateState(seed, comparedTags()), generated);
    expect(report.differences).toEqual([]);
  });
});

it("compares enough, and looks again at few", (context) => {
  context.skip(process.env.PARITY_TAGS !== undefined, "PARITY_TAGS chooses what is compared");
  const left = SAMPLE + seeds.length - handWritten.states - generated.states;
  context.skip(left > 0, `${left} of the chosen states were not run`);
  expect(handWritten.compared).toBeGreaterThanOrEqual(Math.floor(LEAST_HAND_WRITTEN * PART));
  expect(generated.compared).toBeGreaterThanOrEqual(Math.floor(LEAST_GENERATED * PART));
  for (const totals of [handWritten, generated]) {
    const most = Math.ceil(totals.compared * MOST_SECOND_LOOKS);
    expect(totals.secondLooks.length, totals.secondLooks.join("\n")).toBeLessThanOrEqual(most);
  }
});
