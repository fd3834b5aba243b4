import { expect, it } from "vitest";
import { TestClock } from "../../test/stand-ins/test-clock.ts";
import { Looks } from "./looks.ts";

function looksWith(isReadable: () => boolean, more: { mostRetryMs?: number } = {}) {
  const clock = new TestClock(0);
  const begun: number[] = [];
  let underWay = 0;
  const looks = new Looks({
    clock,
    retryMs: 1_000,
    ...more,
    look: async () => {
      begun.push(clock.now());
      underWay += 1;
      expect(underWay).toBe(1);
      await new Promise(setImmediate);
      underWay -= 1;
      if (!isReadable()) throw new Error("EMFILE");
    },
  });
  return { clock, looks, begun };
}

it("looks one at a time, and not again after a look that went well", async () => {
  const { clock, looks, begun } = looksWith(() => true);
  await Promise.all([looks.now(), looks.now()]);
  expect(begun).toHaveLength(2);
  expect(clock.fire(1_000)).toBe(false);
});

it("looks again until it can read, and then no more", async () => {
  let isReadable = false;
  const { clock, looks, begun } = looksWith(() => isReadable);
  await looks.now();
  expect(clock.fire(1_000)).toBe(true);
  await looks.now();
  isReadable = true;
  await looks.now();
  expect(begun).toHaveLength(4);
  expect(clock.fire(1_000)).toBe(false);
});

it("looks no more once it is stopped, not even at what it could not read", async () => {
  const { clock, looks, begun } = looksWith(() => false);
  const looking = looks.now();
  await new Promise(queueMicrotask as never);
  looks.stop();
  await looking;
  await looks.now();
  expect(begun).toHaveLength(1);
  expect(clock.fire(1_000)).toBe(false);
});

it("looks less and less often at what it never can read", async () => {
  let isReadable = false;
  const { clock, looks } = looksWith(() => isReadable, { mostRetryMs: 3_000 });
  await looks.now();
  for (const delayMs of [1_000, 2_000, 3_000, 3_000]) {
    expect(clock.fire(delayMs)).toBe(true);
    for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate);
  }
  isReadable = true;
  await looks.now();
  isReadable = false;
  await looks.now();
  expect(clock.fire(1_000)).toBe(true);
});
