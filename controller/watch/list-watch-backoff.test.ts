import { expect, it } from "vitest";
import { Backoff } from "./list-watch-backoff.ts";

it("doubles up to ten seconds, and begins anew after a reset", () => {
  const backoff = new Backoff(() => 0.999999);
  const delays = Array.from({ length: 8 }, () => Math.round(backoff.afterFailure()));
  expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
  backoff.reset();
  expect(Math.round(backoff.afterFailure())).toBe(500);
});

it("never waits less than half of that, so that nodes spread and do not rush", () => {
  expect(new Backoff(() => 0).afterFailure()).toBe(250);
});

it("waits as long as the server asks, up to a minute", () => {
  const backoff = new Backoff(() => 0);
  expect(backoff.afterFailure(20_000)).toBe(20_000);
  expect(backoff.afterFailure(3_600_000)).toBe(60_000);
});
