import { expect, it } from "vitest";
import type { Problem } from "../model/types.ts";
import { Problems } from "./problems.ts";

it("tells each problem once when it appears and once when it is gone", () => {
  const told: string[] = [];
  const problems = new Problems({
    appeared: (problem) => told.push(`+${problem.message}`),
    solved: (problem) => told.push(`-${problem.message}`),
  });
  const bad: Problem = { object: "Service shop/web", message: "bad" };
  const worse: Problem = { object: "Node a", message: "worse" };
  problems.report("view", [bad, worse]);
  problems.report("view", [bad, worse]);
  problems.report("watch", []);
  expect(problems.list()).toEqual([worse, bad]);
  problems.report("view", [bad]);
  expect(problems.list()).toEqual([bad]);
  expect(told).toEqual(["+bad", "+worse", "-worse"]);
});
