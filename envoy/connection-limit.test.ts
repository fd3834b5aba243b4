import fc from "fast-check";
import { expect, test } from "vitest";
import { connectionsFor, hardDescriptorLimit, udpFlowsFor } from "./connection-limit.ts";

/** Of the kernel's default range. */
const PORTS = 28_232;

test("every connection takes two descriptors, every UDP flow one, and some are kept back", () => {
  expect(connectionsFor(1_048_576, PORTS)).toBe(483_957);
  expect(connectionsFor(20_000, PORTS)).toBe(4_500);
  expect(connectionsFor(1_024, PORTS)).toBe(156);
  expect(connectionsFor(100, PORTS)).toBe(1);
  expect(connectionsFor(Number.POSITIVE_INFINITY, PORTS)).toBe(2 ** 31 - 1);
});

test("flows end where the ports or half of the descriptors do", () => {
  expect(udpFlowsFor(1_048_576, PORTS)).toBe(28_232);
  expect(udpFlowsFor(20_000, PORTS)).toBe(10_000);
  expect(udpFlowsFor(Number.POSITIVE_INFINITY, PORTS)).toBe(28_232);
  expect(udpFlowsFor(3, PORTS)).toBe(1);
});

test("both at their limits leave descriptors to Envoy itself", () => {
  const some = { descriptors: fc.integer({ min: 512, max: 2 ** 21 }), ports: fc.nat(65_535) };
  fc.assert(
    fc.property(fc.record(some), ({ descriptors, ports }) => {
      const taken = 2 * connectionsFor(descriptors, ports) + udpFlowsFor(descriptors, ports);
      expect(descriptors - taken).toBeGreaterThanOrEqual(200);
    }),
  );
});

test("the hard limit is read from the kernel's table", () => {
  const line = (hard: string) =>
    "Limit                     Soft Limit           Hard Limit           Units\n" +
    `Max open files            1024                 ${hard}               files\n`;
  expect(hardDescriptorLimit(line("524288"))).toBe(524_288);
  expect(hardDescriptorLimit(line("unlimited"))).toBe(Number.POSITIVE_INFINITY);
});
