import { mkdtempSync, readlinkSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { activateSlot, activeSlot, drainingUntil, makeSlot, noteDraining } from "./slots.ts";

let run: string;
beforeEach(async () => {
  run = mkdtempSync(join(tmpdir(), "portico-slots-"));
  for (const slot of ["a", "b"] as const) await makeSlot(run, slot);
});
afterEach(() => rmSync(run, { recursive: true }));

it("begins with a, whatever stands where the links will be", async () => {
  expect(await activeSlot(run)).toBe("a");
  writeFileSync(join(run, "table.sock"), "a socket of an earlier version");
  expect(await activeSlot(run)).toBe("a");
  await activateSlot(run, "a");
  expect(readlinkSync(join(run, "table.sock"))).toBe("a/table.sock");
});

it("remembers which is active, and when the other one is to end", async () => {
  await noteDraining(run, "a", 1_700_000_000_000);
  await activateSlot(run, "b");
  expect(await activeSlot(run)).toBe("b");
  expect(await drainingUntil(run, "a")).toBe(1_700_000_000_000);
  expect(await drainingUntil(run, "b")).toBeUndefined();
});

it("does not end an Envoy that is active again", async () => {
  await noteDraining(run, "a", 1_700_000_000_000);
  await activateSlot(run, "a");
  expect(await drainingUntil(run, "a")).toBeUndefined();
});

it("mends the links of a controller that died between two of them", async () => {
  await activateSlot(run, "a");
  unlinkSync(join(run, "table.sock"));
  symlinkSync("b/table.sock", join(run, "table.sock"));
  symlinkSync("b/admin.sock", join(run, "admin.sock.new"));
  const active = await activeSlot(run);
  expect(active).toBe("b");
  await activateSlot(run, active);
  expect(readlinkSync(join(run, "admin.sock"))).toBe("b/admin.sock");
});
