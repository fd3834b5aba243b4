import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { localPorts } from "../system/local-ports.ts";
import { udpFlowLimits } from "./udp-limits.ts";

const directory = mkdtempSync(join(tmpdir(), "portico-limits-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(text: string): string {
  const path = join(directory, "file");
  writeFileSync(path, text);
  return path;
}

const limits = (hard: string) =>
  file(
    `Limit                     Soft Limit           Hard Limit           Units     \n` +
      `Max open files            1024                 ${hard.padEnd(20)} files     \n`,
  );
const PORTS = { first: 32_768, last: 60_999 };

it("reads the range as the kernel prints it", () => {
  expect(localPorts(file("32768\t60999\n"))).toEqual(PORTS);
});

it("leaves ports to others", () => {
  expect(udpFlowLimits(PORTS, limits("1048576"))(1)).toBe(24_703);
  expect(udpFlowLimits(PORTS, limits("1048576"))(9_999)).toBe(24_703);
  expect(udpFlowLimits(PORTS, limits("unlimited"))(1)).toBe(24_703);
});

it("leaves descriptors to others", () => {
  const limitOf = udpFlowLimits(PORTS, limits("20000"));
  const shares = [0, 1, 2, 3, 4, 5, 8, 1_000].map((clusters) => [clusters, limitOf(clusters)]);
  expect(Object.fromEntries(shares)).toEqual({
    0: 10_000,
    1: 10_000,
    2: 5_000,
    3: 2_500,
    4: 2_500,
    5: 1_250,
    8: 1_250,
    1000: 1_250,
  });
});

it("reads them once, not at each change of a cluster", () => {
  const limitOf = udpFlowLimits(PORTS, limits("20000"));
  limits("1048576");
  expect(limitOf(1)).toBe(10_000);
});

it("knows this host", () => {
  expect(udpFlowLimits()(1)).toBeGreaterThan(0);
});
