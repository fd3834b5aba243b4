import { expect, test } from "vitest";
import { connectionsFor, hardDescriptorLimit } from "./connection-limit.ts";

test("every connection takes two descriptors, and some are kept back", () => {
  expect(connectionsFor(1_048_576)).toBe(498_073);
  expect(connectionsFor(1_024)).toBe(412);
  expect(connectionsFor(100)).toBe(1);
  expect(connectionsFor(Number.POSITIVE_INFINITY)).toBe(2 ** 31 - 1);
});

test("the hard limit is read from the kernel's table", () => {
  const line = (hard: string) =>
    "Limit                     Soft Limit           Hard Limit           Units\n" +
    `Max open files            1024                 ${hard}               files\n`;
  expect(hardDescriptorLimit(line("524288"))).toBe(524_288);
  expect(hardDescriptorLimit(line("unlimited"))).toBe(Number.POSITIVE_INFINITY);
});
