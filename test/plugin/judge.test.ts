// The rules of the plugin test: ours keeps them all, and each is broken by a plugin that is wrong
// in one place.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WasmHost } from "../wasm/host.ts";
import { PLUGIN } from "../wasm/table-fixtures.ts";
import { compileMutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import type { Rule } from "./rule.ts";
import { RULES } from "./rules.ts";
import { verdictOf } from "./verdict.ts";

const MAIN = join(import.meta.dirname, "main.ts");

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "portico-plugin-"));
});
afterAll(() => rm(directory, { recursive: true }));

function ruleNamed(beginning: string): Rule {
  const found = RULES.filter(({ name }) => name.startsWith(beginning));
  expect(found, beginning).toHaveLength(1);
  return found[0] as Rule;
}

/** The program, as npm starts it in the directory. */
function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, INIT_CWD: directory };
    execFile(process.execPath, [MAIN, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

async function saved(name: string, wasm: Uint8Array): Promise<string> {
  await writeFile(join(directory, name), wasm);
  return name;
}

describe("a rule", () => {
  it.each(MUTANTS)("finds what is wrong: $file, $before", async (mutant) => {
    const wasm = await compileMutant(mutant);
    for (const name of mutant.finds) {
      const { outcome, detail } = await verdictOf(ruleNamed(name), wasm);
      expect(outcome, name).toMatch(/^(broken|lacks)$/);
      expect(detail).not.toBe("");
    }
  });

  it("is one that a plugin can break", () => {
    const found = new Set(MUTANTS.flatMap(({ finds }) => finds).map(ruleNamed));
    expect(RULES.filter((rule) => !found.has(rule)).map(({ name }) => name)).toEqual([]);
  });

  it("has a name of its own, and says what comes of breaking it", () => {
    expect(new Set(RULES.map(({ name }) => name)).size).toBe(RULES.length);
    for (const { otherwise } of RULES) expect(otherwise).toMatch(/^[^.]+[^.]$/s);
  });
});

describe("npm run test:plugin", () => {
  it("finds our plugin complete", async () => {
    const { code, stdout } = await run(PLUGIN, "--complete");
    expect(stdout).toContain(`\nfit: ${RULES.length} of ${RULES.length} rules hold\n`);
    expect(code).toBe(0);
  });

  it("says what a broken plugin does and what comes of it, and judges nothing on top", async () => {
    const wasm = await compileMutant({
      file: "table/apply.ts",
      before: "current.version = frameVersion(frame);",
      after: "current.version = frameVersion(frame) + 1;",
    });
    const { code, stdout } = await run(await saved("broken.wasm", wasm));
    expect(stdout).toContain(
      [
        "  BROKEN  takes a snapshot, in one frame or in many",
        "          the table's version after a snapshot in one frame: 8, and has to be 7",
        "          Otherwise: the node serves nothing.",
        "  -       takes a frame whose body arrives in pieces",
      ].join("\n"),
    );
    expect(stdout).toMatch(/\nNOT FIT: \d+ of \d+ rules hold; 1 broken; \d+ that could not be/);
    expect(code).toBe(1);
  });

  it("ends a plugin that never returns, and goes on", async () => {
    const wasm = await compileMutant({
      file: "contexts/connection.ts",
      before: "if (destination === 0 ||",
      after: "while (size > 0 && load<u8>(destination) === 0x2f) {}\n  if (destination === 0 ||",
    });
    const { code, stdout } = await run(await saved("loop.wasm", wasm), "--time-limit", "10");
    expect(stdout).toContain("it did not return within 10 s");
    expect(stdout).toContain('  holds   gives "connection-local" the local list only');
    expect(code).toBe(1);
  });

  it("takes what a plugin does not offer for lacking, or with --complete for broken", async () => {
    const wasm = await compileMutant({
      file: "contexts/root.ts",
      before: "if (!isLocal && !isOther) {",
      after: "if (false) {",
    });
    const name = await saved("lenient.wasm", wasm);
    const lenient = await run(name);
    expect(lenient.stdout).toMatch(/\nfit: \d+ of \d+ rules hold; 1 lacking, which is allowed\n/);
    expect(lenient.code).toBe(0);
    expect((await run(name, "--complete")).code).toBe(1);
  });

  it("exits with 2 when there is no such file", async () => {
    const { code, stdout, stderr } = await run("nothing.wasm");
    expect(stderr).toMatch(/^test:plugin: ENOENT: .*nothing\.wasm/);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });
});

it("takes a plugin of another toolchain: older allocator, runtime, standard output", async () => {
  const wasm = await compileMutant({
    file: "index.ts",
    before: "export { malloc, proxy_abi_version_0_2_1 } from",
    after: `export { malloc as proxy_on_memory_allocate, proxy_abi_version_0_2_1 } from
      "./abi/memory";
      @external("wasi_snapshot_preview1", "fd_write")
      declare function write(file: u32, vectors: usize, count: u32, out: usize): u32;
      @external("env", "proxy_http_call")
      declare function call(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32,
        j: u32): u32;
      export function _initialize(): void {
        const vector: usize = memory.data(8);
        store<usize>(vector, memory.data<u8>([0x68, 0x69]));
        store<usize>(vector + 4, 2);
        if (write(1, vector, 1, memory.data(4)) !== 0) call(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
      }
      export { allocate as portico_allocate } from`,
  });
  const host = await WasmHost.load(wasm);
  expect(host.logs[0]).toEqual({ level: 2, message: "hi" });
  for (const rule of RULES.slice(0, 6)) {
    expect(await verdictOf(rule, wasm), rule.name).toMatchObject({ outcome: "holds" });
  }
});
