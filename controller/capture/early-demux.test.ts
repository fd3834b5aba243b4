import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { disableEarlyDemux, restoreEarlyDemux } from "./early-demux.ts";

let directory: string;
let file: string;
let record: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-demux-"));
  file = join(directory, "tcp_early_demux");
  record = join(directory, "record");
  writeFileSync(file, "1\n");
});
afterEach(() => rmSync(directory, { recursive: true }));

const value = () => readFileSync(file, "utf8").trim();

it("is off until it is restored, however often Portico starts meanwhile", async () => {
  expect(await disableEarlyDemux(record, file)).toEqual([]);
  expect(await disableEarlyDemux(record, file)).toEqual([]);
  expect(value()).toBe("0");
  expect(await restoreEarlyDemux(record, file)).toEqual([expect.stringContaining("was 1")]);
  expect(value()).toBe("1");
  expect(await restoreEarlyDemux(record, file)).toEqual([]);
});

it("stays as somebody else wants it", async () => {
  writeFileSync(file, "0\n");
  await disableEarlyDemux(record, file);
  await restoreEarlyDemux(record, file);
  expect(value()).toBe("0");
});

it("is left alone when somebody else has put it on again", async () => {
  await disableEarlyDemux(record, file);
  writeFileSync(file, "1\n");
  expect(await restoreEarlyDemux(record, file)).toEqual([]);
  expect(existsSync(record)).toBe(false);
});

it("is named when it cannot be set, and nothing is recorded", async () => {
  const problems = await disableEarlyDemux(record, join(directory, "none"));
  expect(problems).toEqual([
    expect.stringMatching(/^cannot set net.ipv4.tcp_early_demux .* set it to 0$/),
  ]);
  expect(existsSync(record)).toBe(false);
});

it("has a record that may be an empty file, as one that is mounted is at first", async () => {
  writeFileSync(record, "");
  expect(await restoreEarlyDemux(record, file)).toEqual([]);
  await disableEarlyDemux(record, file);
  expect(readFileSync(record, "utf8")).toBe("1");
});
