import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it, onTestFinished } from "vitest";
import { TestClock } from "../../test/stand-ins/test-clock.ts";
import type { KernelEvents } from "../kernel-watch/kernel-watch.ts";
import { EarlyDemuxKeeper } from "./early-demux-keeper.ts";

function keeperOf() {
  const directory = mkdtempSync(join(tmpdir(), "portico-early-demux-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "tcp_early_demux");
  const clock = new TestClock(0);
  const reports: (readonly string[])[] = [];
  const listeners: ((event: KernelEvents["setting"]) => void)[] = [];
  let repairs = 0;
  const keeper = new EarlyDemuxKeeper({
    watch: { listen: (_, listener) => void listeners.push(listener as never), watchSetting() {} },
    clock,
    log: pino({ enabled: false }),
    record: join(directory, "record"),
    file,
    repaired: () => {
      repairs += 1;
    },
    report: (problems) => reports.push(problems),
  });
  const changed = () => {
    for (const listener of listeners) listener({ path: file, value: "1" });
    return keeper.putOff();
  };
  return { keeper, file, clock, reports, changed, repairs: () => repairs };
}

it("turns it off again when others turned it on, and counts that", async () => {
  const { keeper, file, changed, repairs } = keeperOf();
  writeFileSync(file, "1");
  await keeper.putOff();
  expect([readFileSync(file, "utf8"), repairs()]).toEqual(["0", 0]);
  writeFileSync(file, "1");
  await changed();
  expect([readFileSync(file, "utf8"), repairs()]).toEqual(["0", 1]);
});

it("reports what prevents that, and tries again until nothing does", async () => {
  const { keeper, file, clock, reports } = keeperOf();
  mkdirSync(file);
  await keeper.putOff();
  expect(reports).toEqual([[expect.stringContaining("cannot set net.ipv4.tcp_early_demux")]]);
  rmSync(file, { recursive: true });
  writeFileSync(file, "1");
  expect(clock.fire(5_000)).toBe(true);
  await keeper.putOff();
  expect(readFileSync(file, "utf8")).toBe("0");
  expect(reports.at(-1)).toEqual([]);
  expect(clock.fire(5_000)).toBe(false);
});

it("tries no more once it is stopped", async () => {
  const { keeper, file, reports } = keeperOf();
  writeFileSync(file, "1");
  keeper.stop();
  await keeper.putOff();
  expect([readFileSync(file, "utf8"), reports]).toEqual(["1", []]);
});
