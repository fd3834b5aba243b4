// `portico function` as its users start it.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { parse } from "yaml";
import { StrictHost } from "./strict-host.ts";

const MAIN = join(import.meta.dirname, "../../controller/cli/main.ts");
const folder = mkdtempSync(join(tmpdir(), "portico-function-"));
afterAll(() => rmSync(folder, { recursive: true }));

function portico(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, "function", ...args],
      { cwd: folder },
      (failed, out, error) => {
        resolve({ code: typeof failed?.code === "number" ? failed.code : 0, out, error });
      },
    );
  });
}

it("makes a folder that can be tested and built at once", async () => {
  const made = await portico("new", "first");
  expect(made).toMatchObject({ code: 0, error: "" });
  expect(readdirSync(join(folder, "first")).sort()).toEqual([
    "README.md",
    "package.json",
    "pick.ts",
    "portico.d.ts",
    "tsconfig.json",
  ]);
  const again = await portico("new", "first");
  expect([again.code, again.error]).toEqual([1, expect.stringContaining("EEXIST")]);

  const tested = await portico(
    "test",
    "first/pick.ts",
    "--expect",
    "failures=0",
    "--set",
    "tries=3",
  );
  expect(tested).toMatchObject({ code: 0, error: "" });
  expect(tested.out).toContain("10.1.0.10:8080");

  const built = await portico("build", "first/pick.ts", "-n", "shop", "-o", "out.yaml");
  expect(built).toMatchObject({ code: 0, out: "", error: "" });
  const { metadata, data, binaryData } = parse(readFileSync(join(folder, "out.yaml"), "utf8"));
  expect(metadata).toEqual({ name: "portico-functions", namespace: "shop" });
  expect(data["pick.ts"]).toBe(readFileSync(join(folder, "first/pick.ts"), "utf8"));
  const wasm = new Uint8Array(Buffer.from(binaryData["pick.wasm"], "base64"));
  const sourceMap: string = data["pick.wasm.map"];
  const host = await StrictHost.of([{ name: "pick", wasm, sourceMap }], { any: () => 7 });
  expect(host.pick().answer).toBe(7);
});

it("starts from a shipped function", async () => {
  expect(await portico("new", "second", "--from", "split")).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, "second/split.ts"))).toBe(true);
  const unknown = await portico("new", "third", "--from", "luck");
  expect(unknown.error).toContain('no shipped function "luck": bounded-hash, drain');
  expect(existsSync(join(folder, "third"))).toBe(false);
});

it("checks, and says with the line what to write instead", async () => {
  const head =
    "export function pick(connection: Connection, backends: Backends): Backend | null {\n";
  writeFileSync(join(folder, "fine.ts"), `${head}  return backends.any();\n}\n`);
  writeFileSync(join(folder, "odd.ts"), `${head}  return backends.anyOf(1) ?? null;\n}\n`);
  const checked = await portico("check", "fine.ts", "odd.ts");
  expect(checked.code).toBe(1);
  expect(checked.out).toMatch(
    /^fine\.ts: fine, \d+ bytes\nodd\.ts:2:\d+: .*\n {4}there is no `\?\?`/,
  );
  const built = await portico("build", "odd.ts");
  expect(built).toMatchObject({ code: 1, out: "" });
  expect(built.error).toContain("odd.ts:2");
});

it("exits with 1 when a replay is not as expected, or cannot be made", async () => {
  const head =
    "export function pick(connection: Connection, backends: Backends): Backend | null {\n";
  writeFileSync(join(folder, "fails.ts"), `${head}  return backends[10 / random(2)];\n}\n`);
  const tested = await portico("test", "fails.ts", "--backends", "20", "--expect", "failures=0");
  expect(tested.code).toBe(1);
  expect(tested.out).toMatch(
    /\d+ {2}it divided by zero, or the result is out of range, at fails\.ts:2/,
  );
  expect(tested.error).toMatch(/^not as expected: failures=0: it is \d+\n$/);
  const wrong = await portico("test", "fails.ts", "--expect", "luck");
  expect([wrong.code, wrong.error]).toEqual([1, expect.stringContaining("write WHAT=NUMBER")]);
  expect((await portico("test", "none.ts")).error).toContain("no such file");
});
