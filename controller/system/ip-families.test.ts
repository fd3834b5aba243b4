import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { capturedFamilies, socketFamilies } from "./ip-families.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-families-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

it("captures IPv6 where the kernel has it on lo", () => {
  const file = join(directory, "disable_ipv6");
  expect(capturedFamilies(file)).toEqual(["IPv4"]);
  writeFileSync(file, "1\n");
  expect(capturedFamilies(file)).toEqual(["IPv4"]);
  writeFileSync(file, "0\n");
  expect(capturedFamilies(file)).toEqual(["IPv4", "IPv6"]);
});

it("has IPv6 sockets where the kernel has IPv6, whatever addresses there are", () => {
  const file = join(directory, "if_inet6");
  expect(socketFamilies(file)).toEqual(["IPv4"]);
  writeFileSync(file, "");
  expect(socketFamilies(file)).toEqual(["IPv4", "IPv6"]);
});
