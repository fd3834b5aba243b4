import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { localPorts } from "../system/local-ports.ts";
import { udpFlowLimit } from "./udp-limits.ts";

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
  expect(udpFlowLimit(PORTS, limits("1048576"))).toBe(24_703);
  expect(udpFlowLimit(PORTS, limits("unlimited"))).toBe(24_703);
});

it("leaves descriptors to others", () => {
  expect(udpFlowLimit(PORTS, limits("20000"))).toBe(1_250);
  expect(udpFlowLimit(PORTS, limits("56463"))).toBe(3_528);
  expect(udpFlowLimit(PORTS, limits("56464"))).toBe(24_703);
  expect(udpFlowLimit(PORTS, limits("4"))).toBe(1);
});

it("knows this host", () => {
  expect(udpFlowLimit()).toBeGreaterThan(0);
});
