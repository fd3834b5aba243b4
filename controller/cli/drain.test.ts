import { expect, it } from "vitest";
import { drained } from "./drain.ts";

it("says what it waits for when no connection is open", async () => {
  const told: string[] = [];
  const isEmpty = await drained({ limitMs: 1, adminSockets: [], tell: (line) => told.push(line) });
  expect(isEmpty).toBe(false);
  expect(told).toEqual([
    expect.stringMatching(
      /^no connection is open; the kernel forgets the last UDP flows in \d+ s /,
    ),
    expect.stringMatching(/^time limit reached: 0 connections through Envoy are open; UDP/),
  ]);
});
