// The plan of a campaign, its churn, and the verdict on what clients saw.

import { describe, expect, it } from "vitest";
import { Chance } from "../parity/chance.ts";
import { changeModel } from "./churn.ts";
import { FAULT_KINDS } from "./faults.ts";
import { type Gauges, grownIn } from "./gauges.ts";
import { leftBehind } from "./leftovers.ts";
import { expectedOf, firstModel, frontendsOf, type ModelService, objectsOf } from "./model.ts";
import { planFrom } from "./plan.ts";
import { type Attempt, type Happened, violationsIn } from "./verdict.ts";

const OPTIONS = { seed: 7, faults: 400, longestMs: 20_000, kinds: FAULT_KINDS };

describe("a plan", () => {
  it("is the same from the same seed, and another from another", () => {
    expect(planFrom(OPTIONS)).toEqual(planFrom(OPTIONS));
    expect(planFrom({ ...OPTIONS, seed: 8 })).not.toEqual(planFrom(OPTIONS));
  });

  it("has rounds that do not depend on how many there are", () => {
    const few = planFrom({ ...OPTIONS, faults: 40 }).slice(0, -1);
    expect(few.length).toBeGreaterThan(20);
    expect(planFrom(OPTIONS).slice(0, few.length)).toEqual(few);
  });

  it("has as many faults as asked for, of every kind, and none that is too long", () => {
    const faults = planFrom(OPTIONS).flatMap((round) => round.faults);
    expect(faults).toHaveLength(400);
    const drawn = new Set(faults.map(({ kind, variant }) => `${kind} ${variant}`));
    const all = FAULT_KINDS.flatMap(({ name, variants }) =>
      variants.map((each) => `${name} ${each}`),
    );
    expect([...drawn].sort()).toEqual([...new Set(all)].sort());
    expect(Math.max(...faults.map(({ lastsMs }) => lastsMs))).toBeLessThanOrEqual(20_000);
  });
});

describe("the model", () => {
  it("changes in the same way from the same seed, and never leaves a Service alone", () => {
    const changed = () => {
      const [model, chance] = [firstModel(), new Chance(3)];
      return Array.from({ length: 200 }, () => structuredClone(changeModel(model, chance)));
    };
    expect(changed()).toEqual(changed());
    const existing = changed().filter(({ exists }) => exists);
    expect(existing.length).toBeGreaterThan(50);
    expect(existing.filter(({ backends }) => backends.length === 0)).toEqual([]);
  });

  it("says who may answer, and what is to be programmed", () => {
    const model = firstModel();
    const service = (name: string) => model.get(name) as ModelService;
    const policy = { ...service("policy"), isLocal: true };
    expect(expectedOf(policy)).toEqual(["pod-a:8080"]);
    expect(expectedOf(service("fleeting-1"))).toEqual([]);
    expect(frontendsOf(model)).toHaveLength(4 * 4);
    expect(objectsOf(policy).map(({ kind }) => kind)).toEqual([
      "Service",
      "EndpointSlice",
      "EndpointSlice",
    ]);
  });
});

describe("the verdict", () => {
  const fault = { kind: "some", variant: "one", beginsMs: 0, lastsMs: 10 };
  const happened = (allows: Happened["allows"]): Happened[] => [
    { fault, allows, injectedAt: 1_000, healedAt: 2_000 },
  ];
  const attempt = (more: Partial<Attempt> = {}): Attempt => ({
    stream: "a Pod",
    isHeld: false,
    begin: 1_500,
    end: 1_600,
    outcome: "reset",
    backend: "",
    expected: ["pod-a:8080", "pod-b:8080"],
    ...more,
  });
  const held = attempt({ isHeld: true });

  it("excuses what the fault may cost, and nothing else", () => {
    expect(violationsIn([attempt()], happened({ newMs: 0 }))).toEqual([]);
    expect(violationsIn([held], happened({ open: true }))).toEqual([]);
    expect(violationsIn([attempt()], happened({ open: true }))).toHaveLength(1);
    expect(violationsIn([held], happened({ newMs: 0 }))).toHaveLength(1);
    expect(violationsIn([attempt(), held], happened({}))).toHaveLength(2);
  });

  it("excuses nothing that ended before the fault, or began too long after it", () => {
    const early = attempt({ begin: 500, end: 900 });
    const late = attempt({ begin: 2_600, end: 2_700 });
    expect(violationsIn([early, late], happened({ newMs: 500, open: true }))).toHaveLength(2);
    expect(violationsIn([late], happened({ newMs: 700 }))).toEqual([]);
  });

  it("does not let another backend answer, whatever the fault", () => {
    const wrong = attempt({ outcome: "answered", backend: "pod-d:8080" });
    expect(violationsIn([wrong], happened({ newMs: 0, open: true, affinity: true }))).toHaveLength(
      1,
    );
    const moved = { ...wrong, expected: ["pod-a:8080"] };
    expect(violationsIn([moved], happened({ affinity: true }))).toEqual([]);
    expect(violationsIn([moved], happened({ newMs: 0 }))).toHaveLength(1);
  });
});

it("finds what has grown, and only that", () => {
  const flat: Gauges = {
    controllerMB: 100,
    controllerDescriptors: 40,
    envoyMB: 90,
    envoyDescriptors: 200,
    rules: 50,
    elements: 60,
    routes: 4,
  };
  const rounds = Array.from({ length: 12 }, (_, index) => ({ ...flat, rules: 50 + index }));
  expect(grownIn(Array(12).fill(flat))).toEqual([]);
  expect(grownIn(rounds)).toEqual([expect.stringContaining("rules grew")]);
});

it("finds what a cleanup leaves, and a node that had nothing to clean up", () => {
  expect(leftBehind(["table inet portico {"], [])).toEqual([]);
  expect(leftBehind(["a"], ["table inet portico {"])).toHaveLength(1);
  expect(leftBehind([], [])).toHaveLength(1);
});
