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

it("counts by part, whatever the rest of the source says", () => {
  const problems = new Problems({ appeared: () => {}, solved: () => {} });
  const problem = (object: string): Problem => ({ object, message: "bad" });
  problems.report("watch Service shop/web", [problem("Service shop/web")]);
  problems.report("watch Node a", [problem("Node a")]);
  problems.report("table", [problem("Service shop/a"), problem("Service shop/b")]);
  problems.report("table", [problem("Service shop/a")]);
  expect([...problems.counts()]).toEqual([
    ["watch", 2],
    ["table", 1],
  ]);
});
