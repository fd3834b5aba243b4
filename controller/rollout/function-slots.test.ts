import { expect, it } from "vitest";
import { MAX_FUNCTIONS } from "../../plugin/wire/layout.ts";
import { FunctionSlots } from "./function-slots.ts";

const of = (name: string, version = "1", parameters: Record<string, number> = {}) => ({
  name,
  version,
  parameters,
});

function names(slots: FunctionSlots): (string | undefined)[] {
  return slots.functions.map((each) => each && `${each.name}${each.version}`);
}

it("gives each version and each set of parameters a slot of its own", () => {
  const slots = new FunctionSlots();
  slots.want([of("a"), of("b"), of("a", "1", { share: 1 })]);
  expect([of("a"), of("b"), of("a", "1", { share: 1 })].map((each) => slots.slotOf(each))).toEqual([
    0, 1, 2,
  ]);
  expect(slots.slotOf(of("a", "1", { share: 2 }))).toBeUndefined();
  slots.want([of("a", "2"), of("b")]);
  expect(slots.slotOf(of("a", "2"))).toBe(3);
  expect(names(slots)).toEqual(["a1", "b1", "a1", "a2"]);
});

it("keeps what records may name until two syncs have ended since", () => {
  const slots = new FunctionSlots();
  slots.want([of("a")]);
  slots.want([]);
  slots.synced();
  slots.want([]);
  expect(names(slots)).toEqual(["a1"]);
  slots.synced();
  slots.want([of("b")]);
  expect(names(slots)).toEqual([undefined, "b1"]);
});

it("takes back what is wanted again before it goes, in the same slot", () => {
  const slots = new FunctionSlots();
  slots.want([of("a")]);
  slots.want([]);
  slots.synced();
  slots.want([of("a")]);
  slots.synced();
  slots.synced();
  slots.want([of("a")]);
  expect(slots.slotOf(of("a"))).toBe(0);
});

it("uses a slot again only after all others had their turn", () => {
  const slots = new FunctionSlots();
  const seen = Array.from({ length: MAX_FUNCTIONS + 1 }, (_, version) => {
    const wanted = of("a", String(version));
    expect(slots.want([wanted])).toEqual([]);
    slots.synced();
    slots.synced();
    return slots.slotOf(wanted);
  });
  expect(new Set(seen).size).toBe(MAX_FUNCTIONS);
  expect(seen.at(-1)).toBe(0);
});

it("says what has no room", () => {
  const slots = new FunctionSlots();
  const many = Array.from({ length: MAX_FUNCTIONS + 2 }, (_, index) => of(`f${index}`));
  expect(slots.want(many)).toEqual(many.slice(MAX_FUNCTIONS));
});

it("goes on where an earlier controller stopped", () => {
  const first = new FunctionSlots();
  first.want([of("a"), of("b")]);
  const text = JSON.stringify(first.stored);
  const { next, slots } = JSON.parse(text) as typeof first.stored;
  const second = new FunctionSlots({ next, slots: slots.filter(({ name }) => name === "b") });
  second.want([of("b"), of("c")]);
  expect(names(second)).toEqual([undefined, "b1", "c1"]);
});
