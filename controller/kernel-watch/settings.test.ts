import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type SettingChange, Settings } from "./settings.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-settings-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

it("reports what a file has when that changes, and that it came or went", () => {
  let tick = () => {};
  const clock = {
    now: () => 0,
    after: (_ms: number, callback: () => void) => {
      tick = callback;
      return () => {
        tick = () => {};
      };
    },
  };
  const changes: SettingChange[] = [];
  const settings = new Settings(clock, (change) => changes.push(change));
  const path = join(directory, "tcp_early_demux");
  settings.add(path);
  settings.start();
  const looks = [
    () => {},
    () => writeFileSync(path, "0\n"),
    () => {},
    () => writeFileSync(path, "1\n"),
    () => rmSync(path),
  ];
  for (const change of looks) {
    change();
    tick();
  }
  settings.stop();
  writeFileSync(path, "2\n");
  tick();
  expect(changes).toEqual([
    { path, value: "0" },
    { path, value: "1" },
    { path, value: undefined },
  ]);
});
