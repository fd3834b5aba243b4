// Whether slow start would help: a simulation of a backend that joins nine others with a cold
// cache. It takes 10 times as long at first, and warms up with its own connections; each backend
// serves 8 at once. Decision 0069 has what came of it.

import { expect, it } from "vitest";
import { randomBits } from "../wasm/random.ts";

const BACKENDS = 10;
const SERVED_AT_ONCE = 8;
const SERVICE_SECONDS = 0.1;
const COLD_FACTOR = 10;
const WARM_AFTER = 300;
const ARRIVALS_PER_SECOND = 500;
const SECONDS = 30;
/** A new backend gets this share at least. */
const LEAST_SHARE = 0.1;

type Policy = "random" | "least-connections";

class Backend {
  readonly #coldFactor: number;
  /** When each of the places that serve is free again, s. */
  readonly #freeAt: number[] = Array(SERVED_AT_ONCE).fill(0);
  #ends: number[] = [];
  #served = 0;

  constructor(coldFactor: number) {
    this.#coldFactor = coldFactor;
  }

  openAt(time: number): number {
    return this.#ends.filter((end) => end > time).length;
  }

  /** Returns how long the connection takes, waiting included, s. */
  take(time: number, chance: number): number {
    const warm = Math.min(1, this.#served / WARM_AFTER);
    const factor = 1 + (this.#coldFactor - 1) * (1 - warm);
    const first = this.#freeAt.indexOf(Math.min(...this.#freeAt));
    const end =
      Math.max(time, this.#freeAt[first] ?? 0) + SERVICE_SECONDS * factor * (0.5 + chance);
    this.#freeAt[first] = end;
    this.#served++;
    this.#ends = [...this.#ends.filter((each) => each > time), end];
    return end - time;
  }
}

/** The share of connections that a backend of this age gets, of its full share. */
function share(isNew: boolean, age: number, slowStartSeconds: number): number {
  if (!isNew || slowStartSeconds === 0) return 1;
  return Math.max(LEAST_SHARE, Math.min(1, age / slowStartSeconds));
}

/** Returns the time that 99 of 100 connections do not exceed, s. */
function p99(policy: Policy, slowStartSeconds: number): number {
  const bits = randomBits(1);
  const chance = () => bits() / 2 ** 32;
  const backends = Array.from(
    { length: BACKENDS },
    (_, i) => new Backend(i === 0 ? COLD_FACTOR : 1),
  );
  const draw = (time: number): Backend => {
    const index = Math.floor(chance() * BACKENDS);
    const isTaken = chance() < share(index === 0, time, slowStartSeconds);
    return isTaken ? (backends[index] as Backend) : draw(time);
  };
  const pick = (time: number): Backend => {
    const one = draw(time);
    if (policy === "random") return one;
    const other = draw(time);
    return other.openAt(time) < one.openAt(time) ? other : one;
  };
  const took: number[] = [];
  for (let time = 0; time < SECONDS; time += -Math.log(1 - chance()) / ARRIVALS_PER_SECOND) {
    took.push(pick(time).take(time, chance()));
  }
  took.sort((a, b) => a - b);
  return took[Math.floor(took.length * 0.99)] ?? 0;
}

it("helps a random pick; least-connections helps more, and then slow start adds nothing", () => {
  const random = p99("random", 0);
  const slowRandom = p99("random", 30);
  const least = p99("least-connections", 0);
  const slowLeast = p99("least-connections", 30);
  expect(slowRandom).toBeLessThan(random / 2);
  expect(least).toBeLessThan(slowRandom / 2);
  expect(Math.abs(slowLeast - least)).toBeLessThan(least / 4);
  // For the decision, as printed by: npx vitest run --project unit test/bench/cold-backend.test.ts
  expect(
    [random, slowRandom, least, slowLeast].map((each) => each.toFixed(1)),
  ).toMatchInlineSnapshot(`
    [
      "14.7",
      "4.0",
      "0.5",
      "0.5",
    ]
  `);
});
