import { expect, it } from "vitest";
import { repeat } from "./repeat.ts";

/** A clock with one timer at most, and looks that last until they are told to end. */
function setUp() {
  let due: (() => void) | undefined;
  let endLook = () => {};
  const looks: AbortSignal[] = [];
  const after = (_milliseconds: number, callback: () => void) => {
    due = callback;
    return () => {
      due = undefined;
    };
  };
  const stop = repeat({ now: () => 0, after }, 5_000, (ended) => {
    looks.push(ended);
    return new Promise((resolve) => {
      endLook = resolve;
    });
  });
  const pass = () => {
    const callback = due;
    due = undefined;
    callback?.();
  };
  const endOfLook = async () => {
    endLook();
    await new Promise(setImmediate);
  };
  return { stop, looks, pass, endOfLook, isPlanned: () => due !== undefined };
}

it("looks again once a look is over", async () => {
  const { looks, pass, endOfLook, isPlanned } = setUp();
  pass();
  expect([looks.length, isPlanned()]).toEqual([1, false]);
  await endOfLook();
  pass();
  expect(looks).toHaveLength(2);
});

it("takes no look after its end, and tells the one that is under way", async () => {
  const { stop, looks, pass, endOfLook, isPlanned } = setUp();
  pass();
  expect(looks[0]?.aborted).toBe(false);
  stop();
  expect(looks[0]?.aborted).toBe(true);
  await endOfLook();
  expect(isPlanned()).toBe(false);
});

it("takes none where it ends before the first", () => {
  const { stop, isPlanned } = setUp();
  expect(isPlanned()).toBe(true);
  stop();
  expect(isPlanned()).toBe(false);
});
