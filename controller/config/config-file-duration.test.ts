import fc from "fast-check";
import { expect, it } from "vitest";
import { goDuration, parseGoDuration } from "./config-file-duration.ts";

it("reads what Go's ParseDuration reads", () => {
  const cases: [string, number | undefined][] = [
    ["0", 0],
    ["0s", 0],
    ["5s", 5_000],
    ["1m30s", 90_000],
    ["2h22m", 8_520_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["1.s", 1_000],
    ["250ms", 250],
    ["100us", 0.1],
    ["100µs", 0.1],
    ["1000ns", 0.001],
    ["-5s", -5_000],
    ["+5s", 5_000],
    ["", undefined],
    ["5", undefined],
    ["5 s", undefined],
    ["s", undefined],
    ["1d", undefined],
    [".s", undefined],
    ["5s ", undefined],
    ["5S", undefined],
  ];
  const read = cases.map(([text]) => [text, parseGoDuration(text)]);
  expect(read).toEqual(cases);
});

it("writes as Go's Duration.String", () => {
  const written = [0, 0.0005, 0.1, 0.25, 250, 1_000, 1_500, 30_000, 90_000, 3_600_000, 86_400_000];
  expect(written.map(goDuration)).toEqual([
    "0s",
    "500ns",
    "100µs",
    "250µs",
    "250ms",
    "1s",
    "1.5s",
    "30s",
    "1m30s",
    "1h0m0s",
    "24h0m0s",
  ]);
});

it("reads back what it writes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 9 }), (milliseconds) => {
      expect(parseGoDuration(goDuration(milliseconds))).toBeCloseTo(milliseconds, 3);
    }),
  );
});
