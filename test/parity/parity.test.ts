// kube-proxy and Portico beside each other: the same objects from the same API server, the same
// connections. Says what differs; see comparison.ts for how, tags.ts for on what.
//
// PARITY_SEED=17 begins the generated states there; -t "seed 17" runs that one alone.
// PARITY_VERBOSE=1 tells what was different only at first sight.
// PARITY_TAGS=tcp4,udp compares on other abilities than those that are switched on; "all": on all.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildControlPlane } from "../cluster/build.ts";
import { ControlPlane } from "../cluster/control-plane.ts";
import { ApiWriter } from "./api-writer.ts";
import { Comparison, type StateReport } from "./comparison.ts";
import { generateState } from "./generate.ts";
import { KubeProxyWorld } from "./kube-proxy-world.ts";
import { SERVICE_CIDRS } from "./lab.ts";
import { PorticoWorld } from "./portico-world.ts";
import type { State } from "./state.ts";
import { GROUPS } from "./states/groups.ts";
import { COMPARED, TAGS, type Tag } from "./tags.ts";
import { Totals } from "./totals.ts";
import { truthOf } from "./truth.ts";
import { WayToApi } from "./way-to-api.ts";

const FIRST_SEED = Number(process.env.PARITY_SEED ?? 1);

let comparison: Comparison;
const closers: (() => Promise<void> | void)[] = [];
const handWritten = new Totals();
const generated = new Totals();

/** How many connections are to be compared. */
const LEAST_HAND_WRITTEN = 500;
const LEAST_GENERATED = 2_000;
const ALL_STATES = Object.values(GROUPS).flat().length;
/** Each a test: a state has up to 40 connections. */
const SEEDS = Array.from({ length: 120 }, (_, index) => FIRST_SEED + index);

beforeAll(async () => {
  const programs = await buildControlPlane((line) => console.error(line));
  const serviceClusterIPRange = SERVICE_CIDRS.join(",");
  const plane = await ControlPlane.start({ serviceClusterIPRange });
  closers.push(() => plane.stop());
  const writer = new ApiWriter(plane);
  closers.push(() => writer.close());
  const way = await WayToApi.open(Number(new URL(plane.server).port));
  closers.push(() => way.close());
  const kubeProxy = await KubeProxyWorld.make(programs["kube-proxy"]);
  closers.push(() => kubeProxy.close());
  const portico = await PorticoWorld.make();
  closers.push(() => portico.close());
  await writer.writeBase();
  const kubeconfig = plane.kubeconfigFile("proxy");
  for (const world of [kubeProxy, portico]) {
    await world.startAgents();
    await world.startProxies({ kubeconfig, leadInto: (namespace) => way.leadInto(namespace) });
  }
  comparison = new Comparison({ kubeProxy, portico }, writer, comparedTags());
  await comparison.settle();
}, 900_000); // the first run builds Kubernetes

afterAll(async () => {
  for (const close of closers.reverse()) await close();
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
  const report = await comparison.run(state);
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
