import { expect, it } from "vitest";
import type { FunctionFailure } from "../wire/function-failures.ts";
import { FunctionFailureWatch } from "./function-failure-watch.ts";

function setUp() {
  let now = 0;
  let present: FunctionFailure[] | undefined = [];
  let failing: readonly FunctionFailure[] = [];
  const watch = new FunctionFailureWatch({
    clock: { now: () => now, after: () => () => {} },
    read: async () => {
      if (!present) throw new Error("no Envoy");
      return present;
    },
    failing: (failures) => {
      failing = failures;
    },
  });
  const look = async (counts: Record<number, number> | undefined, atMs: number) => {
    now = atMs;
    present =
      counts &&
      Object.entries(counts).map(([slot, count]) => ({ slot: Number(slot), answer: -20, count }));
    await watch.look();
    return failing.map(({ slot }) => slot);
  };
  return look;
}

it("reports what failed since the last look, for a minute", async () => {
  const look = setUp();
  expect(await look({}, 0)).toEqual([]);
  expect(await look({ 3: 1 }, 5_000)).toEqual([3]);
  expect(await look({ 3: 1, 4: 2 }, 60_000)).toEqual([3, 4]);
  expect(await look({ 3: 1, 4: 2 }, 70_000)).toEqual([4]);
  expect(await look({ 3: 1, 4: 2 }, 130_000)).toEqual([]);
});

it("leaves out what was there before it started", async () => {
  const look = setUp();
  expect(await look({ 3: 7 }, 0)).toEqual([]);
  expect(await look({ 3: 8 }, 5_000)).toEqual([3]);
});

it("counts from 0 for another Envoy, and waits for one that does not answer", async () => {
  const look = setUp();
  await look({ 3: 7 }, 0);
  expect(await look(undefined, 5_000)).toEqual([]);
  expect(await look({ 3: 2 }, 10_000)).toEqual([3]);
});
