import { afterEach, expect, test, vi } from "vitest";
import { Runner } from "../sync/runner.ts";
import { systemClock, wallClock } from "./clock.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("the clock is set back an hour: what waits does not wait for that hour", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let runs = 0;
  const runner = new Runner({
    run: async () => {
      runs += 1;
      if (runs === 2) resolve("ran again");
    },
    onError: () => {},
    clock: systemClock,
    minIntervalMs: 1,
    lastingIntervalMs: 1,
    fullIntervalMs: 60_000,
    retryMinMs: 1,
    retryMaxMs: 1,
  });
  runner.request();
  await vi.waitFor(() => expect(runs).toBe(1));
  const before = Date.now();
  vi.spyOn(Date, "now").mockReturnValue(before - 3_600_000);
  runner.request();
  await expect(promise).resolves.toBe("ran again");
  expect(wallClock.now()).toBe(before - 3_600_000);
  await runner.stop();
});

test("both clocks say milliseconds since 1970", () => {
  expect(Math.abs(systemClock.now() - wallClock.now())).toBeLessThan(1_000);
});

test("a delay longer than a timer of Node's can be comes late, and not at once", () => {
  vi.useFakeTimers();
  const called = vi.fn();
  const cancel = systemClock.after(1_000 * 3_600_000, called);
  vi.advanceTimersByTime(3_600_000);
  expect(called).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(1);
  cancel();
  expect(vi.getTimerCount()).toBe(0);
});

test("without a delay: after what arrived together with it, and without a timer", async () => {
  const called = vi.fn();
  systemClock.after(0, called);
  systemClock.after(0, called)();
  await Promise.resolve();
  expect(called).not.toHaveBeenCalled();
  await new Promise((resolve) => setImmediate(resolve));
  expect(called).toHaveBeenCalledTimes(1);
});
