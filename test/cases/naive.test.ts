import { expect, test } from "vitest";
import { ALL_CASES } from "./cases.ts";
import { NaivePicker } from "./naive.ts";
import { runCases } from "./run.ts";

runCases("the naive picker", () => new NaivePicker());

test("every case has a name of its own, and there are enough of them", () => {
  const names = ALL_CASES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(40);
});
