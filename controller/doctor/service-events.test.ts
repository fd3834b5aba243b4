import { expect, it } from "vitest";
import { eventFindings, eventFromObject } from "./service-events.ts";

function texts(...events: object[]): string[] {
  const found = eventFindings("shop/web", events.flatMap(eventFromObject));
  return found.map(({ text }) => text);
}

it("says each thing once, the latest first, with its author and time", () => {
  const old = { reason: "A", message: "one", lastTimestamp: "2026-01-01T00:00:00Z" };
  const latest = {
    reason: "B",
    message: "two\nlines",
    eventTime: "2026-01-02T00:00:00.000000Z",
    reportingComponent: "lb",
  };
  expect(texts(old, latest, { ...old, lastTimestamp: "2025-01-01T00:00:00Z" })).toEqual([
    "an Event reports B: two lines (a Warning by lb, last at 2026-01-02T00:00:00Z)",
    "an Event reports A: one (a Warning, last at 2026-01-01T00:00:00Z)",
  ]);
});

it("leaves out what Portico writes, and more than a few", () => {
  expect(texts({ reason: "A", message: "", reportingComponent: "portico" })).toEqual([]);
  const many = Array.from({ length: 9 }, (_, index) => ({ reason: `R${index}`, message: "m" }));
  expect(texts(...many)).toHaveLength(5);
});

it("takes whatever anybody wrote", () => {
  expect(texts({}, { reason: 7 }, { message: ["a"], source: "b" })).toEqual([]);
});
