import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { kernelSettingProblems } from "./kernel-settings.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-conf-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function set(name: string, value: number): void {
  mkdirSync(join(directory, name));
  writeFileSync(join(directory, name, "src_valid_mark"), `${value}\n`);
}

it("finds nothing wrong with the kernel's defaults", async () => {
  set("all", 0);
  set("eth0", 0);
  expect(await kernelSettingProblems(directory)).toEqual([]);
});

it("names the setting and the interface", async () => {
  set("all", 1);
  set("eth0", 1);
  set("lo", 0);
  const end = "set it to 0";
  expect(await kernelSettingProblems(directory)).toEqual([
    expect.stringMatching(`^net.ipv4.conf.all.src_valid_mark is 1: .* any interface; ${end}$`),
    expect.stringMatching(`^net.ipv4.conf.eth0.src_valid_mark is 1: .* interface eth0; ${end}$`),
  ]);
});
