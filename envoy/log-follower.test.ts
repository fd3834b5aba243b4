import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LogFollower } from "./log-follower.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portico-log-"));
  path = join(folder, "envoy.log");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("lines are told once, with their level, and only when they are complete", async () => {
  const follower = new LogFollower(path);
  expect(await follower.read()).toEqual([]);
  writeFileSync(path, "[warning][main] caught ENVOY_SIGTERM\n[critical][wasm] Plugin po");
  expect(await follower.read()).toEqual([{ level: "warn", text: "main: caught ENVOY_SIGTERM" }]);
  appendFileSync(path, "rtico.table failed\n#0: a stack\n");
  expect(await follower.read()).toEqual([
    { level: "error", text: "wasm: Plugin portico.table failed" },
    { level: "warn", text: "#0: a stack" },
  ]);
  expect(await follower.read()).toEqual([]);
});

test("what was there before can be passed over", async () => {
  writeFileSync(path, "[info][main] old\n");
  const follower = new LogFollower(path);
  await follower.skip();
  appendFileSync(path, "[info][main] new\n");
  expect(await follower.read()).toEqual([{ level: "info", text: "main: new" }]);
});

test("of a file that grew by more than can be read at once, the end is told", async () => {
  const follower = new LogFollower(path);
  writeFileSync(path, `${"[info][main] line\n".repeat(1_000_000)}[info][main] last\n`);
  const lines = await follower.read();
  expect(lines.at(-1)).toEqual({ level: "info", text: "main: last" });
  expect(lines.length).toBeLessThan(1_000_000);
  expect(statSync(path).size).toBe(0);
});

test("a file that grew long is emptied, and followed on", async () => {
  const follower = new LogFollower(path);
  writeFileSync(path, "[info][main] line\n".repeat(100_000));
  expect(await follower.read()).toHaveLength(100_000);
  expect(statSync(path).size).toBe(0);
  appendFileSync(path, "[info][main] after\n");
  expect(await follower.read()).toEqual([{ level: "info", text: "main: after" }]);
});
