import { describe, expect, it } from "vitest";
import { planPushes, type TableEntry } from "./plan.ts";

function entry(backendCount: number, content = 0): TableEntry {
  return { key: Uint8Array.of(1), record: Uint8Array.of(backendCount, content), backendCount };
}

const cases: { name: string; before?: TableEntry; after?: TableEntry; push: string }[] = [
  { name: "a new frontend is pushed first", after: entry(2), push: "first" },
  { name: "a new frontend without backends too", after: entry(0), push: "first" },
  { name: "an unchanged one is not pushed", before: entry(2), after: entry(2), push: "never" },
  { name: "a changed one is pushed first", before: entry(2), after: entry(3), push: "first" },
  { name: "the first backend arrives first", before: entry(0), after: entry(1), push: "first" },
  { name: "the last backend leaves last", before: entry(1), after: entry(0), push: "last" },
  { name: "a removed one leaves last", before: entry(2), push: "last" },
  { name: "a removed one without backends too", before: entry(0), push: "last" },
  {
    name: "an empty one that changes is pushed first",
    before: entry(0),
    after: entry(0, 1),
    push: "first",
  },
  { name: "what is nowhere is not pushed", push: "never" },
];

describe("planPushes", () => {
  it.each(cases)("$name", ({ before, after, push }) => {
    const programmed = new Map(before ? [["key", before]] : []);
    const desired = new Map(after ? [["key", after]] : []);
    const plan = planPushes(programmed, desired, ["key"]);
    expect(plan.first).toEqual(push === "first" ? ["key"] : []);
    expect(plan.last).toEqual(push === "last" ? ["key"] : []);
  });
});
