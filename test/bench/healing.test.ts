import { expect, it } from "vitest";
import { healingCommand } from "./healing/command.ts";
import { nodeObjects, sliceOf } from "./healing/objects.ts";
import { type Dialled, dialledFrom } from "./healing/open-loop.ts";
import { PODS, ROLLING } from "./healing/plan.ts";
import { isOverload, textOf } from "./healing/report.ts";
import { SCENARIO_NAMES, SCENARIOS } from "./healing/scenarios.ts";
import { tallyOf } from "./healing/tally.ts";

function dialled(startMs: number, waitedMs: number, outcome: Dialled["outcome"] = "answered") {
  return { startMs, waitedMs, outcome };
}

it("reads what became of a connection, and refuses what it does not know", () => {
  expect(dialledFrom("1000 2500 refused")).toEqual(dialled(1, 2.5, "refused"));
  expect(() => dialledFrom("1000 2500 lost")).toThrow('printed "1000 2500 lost"');
  expect(() => dialledFrom("answered")).toThrow("printed");
});

it("counts failures, and waiting times of those that were answered", () => {
  const all = [
    ...Array.from({ length: 99 }, (_, index) => dialled(index, index + 1)),
    dialled(99, 1_000),
    dialled(100, 5_000, "timeout"),
    dialled(101, 1, "reset"),
    dialled(102, 1, "reset"),
  ];
  expect(tallyOf(all, undefined)).toEqual({
    connections: 103,
    failed: 3,
    failures: { reset: 2, timeout: 1 },
    begunBefore: 0,
    p50Ms: 50.5,
    p99Ms: expect.closeTo(108.01, 2),
    longestMs: 5_000,
  });
});

it("counts apart what was begun a second after the fault", () => {
  const all = [
    dialled(0, 900),
    dialled(1_499, 900),
    dialled(1_500, 200),
    dialled(1_501, 201),
    dialled(1_502, 3_000, "timeout"),
  ];
  expect(tallyOf(all, 500).later).toEqual({
    connections: 3,
    failed: 1,
    waited: 1,
    longestMs: 3_000,
  });
  expect(tallyOf(all, undefined)).not.toHaveProperty("later");
  const [first] = all;
  if (first) first.outcome = "timeout";
  const tally = tallyOf(all, 500);
  expect(tally).toMatchObject({ failed: 2, begunBefore: 1 });
  const text = textOf([{ scenario: "node-lost", peer: "portico", proxyMs: 5, tally }]);
  expect(text).toContain("2 timeout, 1 of them begun before");
});

it("says of no connection how long it took, where there is none", () => {
  const tally = tallyOf([dialled(0, 7, "refused")], 0);
  expect(tally).toMatchObject({ p50Ms: Number.NaN, longestMs: 7 });
  expect(tally.later).toEqual({ connections: 0, failed: 0, waited: 0, longestMs: Number.NaN });
  const text = textOf([{ scenario: "refusing", peer: "portico", proxyMs: 5, tally }]);
  expect(text).toContain("1 (100.0 %)");
  expect(text).not.toContain("NaN");
});

it("never rounds some failures to none, nor to all", () => {
  const shown = (failed: number) => {
    const all = Array.from({ length: 10_000 }, (_, index) =>
      dialled(0, 1, index < failed ? "reset" : "answered"),
    );
    const tally = tallyOf(all, undefined);
    return textOf([{ scenario: "rolling", peer: "portico", proxyMs: 5, tally }]);
  };
  expect(shown(1)).toContain("1 (< 0.1 %)");
  expect(shown(9_999)).toContain("9999 (> 99.9 %)");
});

it("has an address for each Pod, on its node, and endpoints for each scenario", () => {
  const addresses = Object.values(PODS).map(({ address }) => address);
  expect(new Set(addresses).size).toBe(addresses.length);
  const names = nodeObjects().map(({ metadata }) => metadata.name);
  for (const { node, address } of Object.values(PODS)) {
    expect(address).toContain(`10.1.${names.indexOf(node) + 1}.`);
  }
  for (const name of SCENARIO_NAMES) {
    const { pods } = SCENARIOS[name];
    const slice = sliceOf({ name, clusterIP: "10.96.0.20" }, pods);
    expect(slice).toMatchObject({ endpoints: pods.map((pod) => ({ nodeName: PODS[pod].node })) });
  }
  expect(ROLLING.map(([old]) => old)).toEqual(SCENARIOS.rolling.pods);
});

it.each([
  [["--scenarios", "refusing,fire"], "fire is none of sound, refusing"],
  [["--peers", "cilium"], "cilium is none of portico"],
  [["--rate", "0"], "from 1 to 10000"],
  [["--seconds", "1"], "from 2 to 60"],
])("refuses %s", async (args, message) => {
  const command = healingCommand(async () => {});
  command.exitOverride().configureOutput({ writeErr: () => {} });
  await expect(command.parseAsync(args, { from: "user" })).rejects.toThrow(message);
});

it("takes each name once, and by default all scenarios with Portico and kube-proxy", async () => {
  const taken: object[] = [];
  const command = healingCommand(async (options) => void taken.push({ ...options }));
  await command.parseAsync([], { from: "user" });
  await command.parseAsync(["--peers", "kube-proxy,kube-proxy"], { from: "user" });
  expect(taken).toMatchObject([
    { peers: ["portico", "kube-proxy"], scenarios: SCENARIO_NAMES, rate: 1_000, seconds: 10 },
    { peers: ["kube-proxy"] },
  ]);
});

it("takes waits for a sign of overload only where nothing fails", () => {
  const row = (scenario: "sound" | "refusing", waitedMs: number) =>
    ({ scenario, peer: "portico", proxyMs: 5, tally: tallyOf([dialled(0, waitedMs)], 0) }) as const;
  expect(isOverload(row("sound", 20))).toBe(false);
  expect(isOverload(row("sound", 900))).toBe(true);
  expect(isOverload(row("refusing", 900))).toBe(false);
});
