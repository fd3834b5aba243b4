import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createLog, logDestination } from "./log.ts";

let directory: string;
const opened: number[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-log-"));
});
afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd);
  rmSync(directory, { recursive: true });
});

function open(path: string, flags: string): number {
  const fd = openSync(path, flags);
  opened.push(fd);
  return fd;
}

it("goes on when the disk behind its file is full", () => {
  const full = open("/dev/full", "w");
  expect(() => writeSync(full, "x")).toThrow("ENOSPC");
  const log = createLog("info", logDestination(full));
  for (let line = 0; line < 3; line += 1) log.info({ line }, "nobody can read this");
});

it("writes each line before it returns", () => {
  const file = join(directory, "log");
  const log = createLog("info", logDestination(open(file, "w")));
  log.info("first");
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ level: "info", msg: "first" });
});
