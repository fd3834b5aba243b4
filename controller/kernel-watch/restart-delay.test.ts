import { expect, it } from "vitest";
import { RestartDelay } from "./restart-delay.ts";

const CANNOT_START = { listenedMs: undefined, isShortage: false };

function delaysAfter(...endings: Parameters<RestartDelay["after"]>[0][]): number[] {
  const delay = new RestartDelay();
  return endings.map((each) => delay.after(each));
}

it("doubles for a program that cannot run, up to 30 s", () => {
  const delays = delaysAfter(...Array(10).fill(CANNOT_START));
  expect(delays).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
});

it("is short again for one that others end now and then", () => {
  const ended = { listenedMs: 2_000, isShortage: false };
  expect(delaysAfter(...Array(20).fill(ended))).toEqual(Array(20).fill(200));
  expect(delaysAfter(CANNOT_START, CANNOT_START, ended, CANNOT_START)).toEqual([
    200, 400, 200, 400,
  ]);
});

it("doubles for one that always ends soon after it listened", () => {
  const ended = { listenedMs: 50, isShortage: false };
  expect(delaysAfter(ended, ended, ended)).toEqual([200, 400, 800]);
});

it("stays the same during a shortage, however long, and forgets it", () => {
  const shortage = { listenedMs: undefined, isShortage: true };
  const ended = { listenedMs: 100, isShortage: false };
  const delays = delaysAfter(ended, ...Array(50).fill(shortage), CANNOT_START);
  expect(delays).toEqual([200, ...Array(50).fill(1_000), 400]);
});
