import { expect, it } from "vitest";
import { countReads } from "../../test/stand-ins/counted-reads.ts";
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

it("replaces what a source says about one thing, and leaves the others", () => {
  const told: string[] = [];
  const problems = new Problems({
    appeared: ({ message }) => told.push(`+${message}`),
    solved: ({ message }) => told.push(`-${message}`),
  });
  const about = (name: string, message: string): Problem => ({
    object: `Service ${name}`,
    message,
  });
  problems.reportAbout("view", "a", [about("a", "bad"), about("a", "worse")]);
  problems.reportAbout("view", "b", [about("b", "bad too")]);
  problems.reportAbout("view", "c", []);
  problems.reportAbout("view", "a", [about("a", "worse")]);
  expect(told.splice(0)).toEqual(["+bad", "+worse", "+bad too", "-bad"]);
  expect([...problems.counts()]).toEqual([["view", 2]]);
  problems.reportAbout("view", "a", []);
  problems.reportAbout("view", "b", []);
  expect(told).toEqual(["-worse", "-bad too"]);
  expect([problems.list(), [...problems.counts()]]).toEqual([[], []]);
});

it("looks at one thing's problems only", async () => {
  const readsAmong = (count: number) => {
    const problems = new Problems({ appeared: () => {}, solved: () => {} });
    const about = (name: string): Problem => ({ object: `Service ${name}`, message: "bad" });
    for (let number = 0; number < count; number++) {
      problems.reportAbout("view", `${number}`, [about(`${number}`)]);
    }
    return countReads(async () => {
      problems.reportAbout("view", "new", [about("new")]);
      problems.reportAbout("view", "1", []);
    });
  };
  expect(await readsAmong(500)).toBe(await readsAmong(5));
});
