// The demo as a visitor runs it: its exit code, and its count of checks.

import { join } from "node:path";
import { expect, it } from "vitest";
import { runCommand } from "../namespaces/command.ts";

const DEMO = join(import.meta.dirname, "../demo/main.ts");

it("tells its story, and everything is as told", async () => {
  const options = { allowFailure: true, timeoutMs: 240_000 };
  const { code, stdout, stderr } = await runCommand(process.execPath, [DEMO], options);
  expect(stdout + stderr).toMatch(/demo: \d+ checks passed, 0 failed/);
  expect(code).toBe(0);
}, 250_000);
