import { expect, it } from "vitest";
import type { StatsEntry } from "../wire/stats.ts";
import { StatsOfEnvoys } from "./stats-of-envoys.ts";

function entry(name: string, opened: number, closed: number): StatsEntry {
  return {
    serviceId: name,
    backend: undefined,
    keyBytes: Buffer.from(name),
    counters: {
      opened,
      closed,
      receivedBytes: opened,
      sentBytes: 1,
      failed: { refused: 0, timedOut: 0, noBackend: 0, other: 0 },
      limited: { connections: 0, newConnections: 0 },
      retried: 0,
      connect: { buckets: [closed, 0, 0, 0, 0, 0], seconds: 0.5 },
      duration: { buckets: [0, 0, 0, 0, 0, closed], seconds: 1 },
    },
  };
}

class FakeTable {
  entries: StatsEntry[];
  isAlive = true;
  forgotten: string[] = [];
  constructor(...entries: StatsEntry[]) {
    this.entries = entries;
  }
  async stats() {
    if (!this.isAlive) throw new Error("ended");
    return this.entries;
  }
  async forgetStats(keys: readonly Uint8Array[]) {
    if (!this.isAlive) throw new Error("ended");
    this.forgotten.push(...keys.map((key) => Buffer.from(key).toString()));
  }
}

function numbers(entries: StatsEntry[] | undefined) {
  return Object.fromEntries(
    (entries ?? []).map(({ serviceId, counters }) => [
      serviceId,
      [counters.opened, counters.closed],
    ]),
  );
}

it("goes on with the totals when an Envoy is replaced, and when it has ended", async () => {
  const first = new FakeTable(entry("web", 5, 3), entry("api", 1, 1));
  const second = new FakeTable();
  const now: { present: FakeTable; draining: FakeTable | undefined } = {
    present: first,
    draining: undefined,
  };
  const stats = new StatsOfEnvoys({ present: () => now.present, draining: () => now.draining });
  expect(await stats.stats()).toBe(first.entries);
  now.present = second;
  now.draining = first;
  expect(numbers(await stats.stats())).toEqual({ web: [5, 3], api: [1, 1] });
  second.entries = [entry("web", 10, 10)];
  first.entries = [entry("web", 5, 4), entry("api", 1, 1)];
  const both = await stats.stats();
  expect(numbers(both)).toEqual({ web: [15, 14], api: [1, 1] });
  expect(both?.[0]?.counters.connect).toEqual({ buckets: [14, 0, 0, 0, 0, 0], seconds: 1 });
  first.isAlive = false;
  expect(numbers(await stats.stats())).toEqual({ web: [15, 14], api: [1, 1] });
  await stats.forgetStats([Buffer.from("api")]);
  expect(second.forgotten).toEqual(["api"]);
  now.draining = undefined;
  second.entries = [entry("web", 11, 10)];
  expect(numbers(await stats.stats())).toEqual({ web: [16, 15], api: [1, 1] });
  await stats.forgetStats([Buffer.from("api")]);
  expect(numbers(await stats.stats())).toEqual({ web: [16, 15] });
});

it("rejects when the present Envoy does not answer", async () => {
  const table = new FakeTable();
  table.isAlive = false;
  const stats = new StatsOfEnvoys({ present: () => table, draining: () => undefined });
  await expect(stats.stats()).rejects.toThrow("ended");
});
