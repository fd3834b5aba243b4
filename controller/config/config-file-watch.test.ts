import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { watchConfigFile } from "./config-file-watch.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-config-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** `turn` runs the next look, and waits until it is over: another is planned, or none. */
function watched(path: string, text: string) {
  let next: (() => unknown) | undefined;
  let changes = 0;
  const clock = {
    now: () => 0,
    after: (_delayMs: number, callback: () => void) => {
      next = callback;
      return () => {
        next = undefined;
      };
    },
  };
  const stop = watchConfigFile({ path, text, clock, changed: () => changes++ });
  const turn = async () => {
    const look = next;
    next = undefined;
    await look?.();
    return { changes, looksAgain: next !== undefined };
  };
  return { turn, stop };
}

it("tells once of another content, and not of the same written again", async () => {
  const path = join(directory, "config.conf");
  writeFileSync(path, "a");
  const { turn } = watched(path, "a");
  writeFileSync(path, "a");
  expect(await turn()).toEqual({ changes: 0, looksAgain: true });
  writeFileSync(path, "b");
  expect(await turn()).toEqual({ changes: 1, looksAgain: false });
});

it("waits for a file that is gone for the moment", async () => {
  const path = join(directory, "config.conf");
  const { turn } = watched(path, "a");
  expect(await turn()).toEqual({ changes: 0, looksAgain: true });
  writeFileSync(path, "b");
  expect(await turn()).toEqual({ changes: 1, looksAgain: false });
});

it("sees the kubelet swap the files of a ConfigMap", async () => {
  for (const version of ["1", "2"]) {
    mkdirSync(join(directory, version));
    writeFileSync(join(directory, version, "config.conf"), version);
  }
  symlinkSync("1", join(directory, "..data"));
  symlinkSync("..data/config.conf", join(directory, "config.conf"));
  const { turn } = watched(join(directory, "config.conf"), "1");
  expect(await turn()).toEqual({ changes: 0, looksAgain: true });
  symlinkSync("2", join(directory, "..next"));
  renameSync(join(directory, "..next"), join(directory, "..data"));
  expect(await turn()).toEqual({ changes: 1, looksAgain: false });
});

it("does not tell after it was stopped", async () => {
  const path = join(directory, "config.conf");
  writeFileSync(path, "b");
  const { turn, stop } = watched(path, "a");
  const look = turn();
  stop();
  expect(await look).toEqual({ changes: 0, looksAgain: false });
});
