// The shipped functions: what each promises, with parameters, and what they cost.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { apiTypes, shippedFunctions, templateFiles } from "../../controller/functions/library.ts";
import { randomFrom, replay } from "../../controller/functions/replay.ts";
import { type MadeTraffic, makeTraffic } from "../../controller/functions/replay-connections.ts";
import { compiled } from "./compiled.ts";
import { type ApiAnswers, StrictHost } from "./strict-host.ts";

const ROOT = join(import.meta.dirname, "../..");
const TSC = join(ROOT, "node_modules/.bin/tsc");
const SHIPPED = shippedFunctions();
const NAMES = Object.keys(SHIPPED);
const START = 1_800_000_000;

async function replayed(
  name: string,
  parameters: Record<string, number> = {},
  made: Partial<MadeTraffic> = {},
) {
  const traffic = makeTraffic(
    { connections: 10_000, clients: 300, groups: [8, 2], isIPv6: false, ...made },
    randomFrom(1),
  );
  const module = { ...(await compiled(SHIPPED[name] ?? "", name)), parameters };
  const clock = () => process.hrtime.bigint();
  return { traffic, ...(await replay(module, traffic, 1, START, clock)) };
}

/** Percent of the connections that went to a group. */
function shareOf(group: number, { traffic, tally }: Awaited<ReturnType<typeof replayed>>): number {
  const own = tally.picks.filter((_, index) => traffic.backends[index]?.group === group);
  return own.reduce((sum, each) => sum + each, 0) / 100;
}

it("ships six functions, each shorter than 40 lines, as a comment says", () => {
  expect(NAMES).toEqual([
    "bounded-hash",
    "drain",
    "least-connect-time",
    "split",
    "subnet",
    "zone-weighted",
  ]);
  for (const source of Object.values(SHIPPED)) {
    expect(source.split("\n").length).toBeLessThan(40);
    expect(source).toMatch(/^\/\/ /);
  }
});

it("has types for editors that know all that shipped functions and the template use", () => {
  const folder = mkdtempSync(join(tmpdir(), "portico-functions-"));
  const template = templateFiles();
  const sources = Object.entries({ ...SHIPPED, template: template["pick.ts"] ?? "" });
  for (const [name, source] of sources) writeFileSync(join(folder, `${name}.ts`), source);
  writeFileSync(join(folder, "tsconfig.json"), template["tsconfig.json"] ?? "");
  writeFileSync(join(folder, "portico.d.ts"), apiTypes());
  try {
    expect(execFileSync(TSC, ["-p", folder], { encoding: "utf8" })).toBe("");
    writeFileSync(join(folder, "wrong.ts"), "export const zone: string = connections.zone;\n");
    expect(() => execFileSync(TSC, ["-p", folder], { stdio: "pipe" })).toThrow();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("shows the template in the README as it is", () => {
  const readme = readFileSync(join(ROOT, "functions/README.md"), "utf8");
  const code = (templateFiles()["pick.ts"] ?? "")
    .split("\n")
    .filter((line) => !/^(\/\/|\/\*)/.test(line));
  const lines = readme.split("\n").filter((line) => line.startsWith("    "));
  for (const line of code.filter((each) => each !== "")) expect(lines).toContain(`    ${line}`);
});

it.each(NAMES)(
  "%s picks without a failure, for one backend, ten, and a thousand of IPv6",
  async (name) => {
    for (const made of [
      { groups: [1] },
      { groups: [8, 2] },
      { groups: [900, 100], isIPv6: true },
    ]) {
      const { tally, fuel } = await replayed(name, {}, { ...made, connections: 500 });
      expect(tally.failures).toEqual([]);
      expect(fuel.largest).toBeLessThan(fuel.limit);
    }
  },
);

it("split: its share of the connections, and all where one group is empty", async () => {
  expect(shareOf(1, await replayed("split"))).toBeCloseTo(10, -1);
  const third = shareOf(1, await replayed("split", { share: 33 }));
  expect(third).toBeGreaterThan(30);
  expect(third).toBeLessThan(36);
  expect(shareOf(1, await replayed("split", { share: 0 }))).toBe(0);
  expect(shareOf(1, await replayed("split", { share: 100 }))).toBe(100);
  expect(shareOf(0, await replayed("split", { share: 100 }, { groups: [3] }))).toBe(100);
  expect(shareOf(1, await replayed("split", { share: 0 }, { groups: [0, 3] }))).toBe(100);
});

it("least-connect-time: of two the faster one, and of equals the one with fewer open", async () => {
  const module = await compiled(SHIPPED["least-connect-time"] ?? "", "f");
  async function picks(times: number[], open: number[]): Promise<number> {
    let next = 0;
    const answers: ApiAnswers = {
      any: () => next++ % 2,
      connectTime: (index: number) => times[index] ?? 0,
      open: (index: number) => open[index] ?? 0,
    };
    return (await StrictHost.of([module], answers)).pick().answer;
  }
  expect(await picks([300, 200], [0, 0])).toBe(1);
  expect(await picks([200, 300], [0, 0])).toBe(0);
  expect(await picks([200, 200], [5, 4])).toBe(1);
  expect(await picks([200, 250], [9, 1])).toBe(1);
  expect(await picks([200, 0], [0, 0])).toBe(1);
});

it("bounded-hash: keeps a client's backend, and none has much more open than others", async () => {
  const found = await replayed("bounded-hash", {}, { groups: [10], clients: 2_000 });
  expect(found.tally.kept).toBeGreaterThan(found.random.kept * 3);
  expect(found.tally.fullest).toBeLessThan(2);
  const few = await replayed("bounded-hash", { bound: 10_000 }, { groups: [10], clients: 50 });
  expect(few.tally.kept).toBeGreaterThan(99);
});

it("zone-weighted: the own zone more often, unless too few of it are ready", async () => {
  const { tally, random } = await replayed("zone-weighted", {}, { groups: [9] });
  expect(random.ownZone).toBeCloseTo(33, -1);
  expect(tally.ownZone).toBeGreaterThan(60);
  expect(tally.ownZone).toBeLessThan(72);
  const module = await compiled(SHIPPED["zone-weighted"] ?? "", "f");
  const host = await StrictHost.of([module], { ownZone: () => 1, zone: () => 1, flags: () => 0 });
  expect(host.pick().answer).toBe(-1);
});

it("subnet: clients of its networks to the second group", async () => {
  expect(shareOf(1, await replayed("subnet"))).toBe(100);
  expect(shareOf(1, await replayed("subnet", {}, { isIPv6: true }))).toBe(100);
  const module = await compiled((SHIPPED.subnet ?? "").replace("10.0.0.0/8", "10.200.0.0/25"), "f");
  const traffic = makeTraffic(
    { connections: 2_000, clients: 254, groups: [4, 4], isIPv6: false },
    randomFrom(1),
  );
  const { tally } = await replay(module, traffic, 1, START, () => process.hrtime.bigint());
  const second = tally.picks.slice(4).reduce((sum, each) => sum + each, 0);
  const inside = traffic.connections.filter(({ client }) => Number(client.split(".")[3]) < 128);
  expect(second).toBe(inside.length);
});

it("drain: none before the start, half in the middle, all at the end", async () => {
  const shares = [];
  for (const passed of [-100, 1_800, 3_700]) {
    shares.push(
      shareOf(1, await replayed("drain", { start: START - passed }, { connections: 1_000 })) * 10,
    );
  }
  expect(shares[0]).toBe(0);
  expect(shares[1]).toBeGreaterThan(45);
  expect(shares[1]).toBeLessThan(58);
  expect(shares[2]).toBe(100);
});
