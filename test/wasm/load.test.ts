// Balancing "least-connections": what workers count, what they know of each other, and what that
// makes of the load.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../controller/node/frontend-settings.ts";
import type { Frontend } from "../../controller/node/types.ts";
import type { OpenConnection } from "./host.ts";
import type { SharedData } from "./shared-data.ts";
import { backends, frontend } from "./table-fixtures.ts";
import { AT, WaitingHost } from "./waiting-host.ts";

const LEAST = { ...DEFAULT_SETTINGS, balancing: "least-connections", ejection: false } as const;
/** After the last change, all counts are written. */
const WRITTEN_MS = 2_000;
/** A VM that has not written for so long is gone. */
const DEAD_MS = 20_000;

function least(count: number, own: Partial<Frontend> = {}): Frontend {
  return frontend(1, { backends: backends(count), settings: LEAST, ...own });
}

/** What the VMs tell each other: how many connections each has, in total. */
function told({ shared }: { shared: SharedData }): number[] {
  const counts: number[] = [];
  for (const [key, value] of shared.content()) {
    if (!key.startsWith(Buffer.from("Po").toString("hex")) || value === "") continue;
    const bytes = Buffer.from(value, "hex");
    let sum = 0;
    for (let at = 16; at < bytes.length; at += 8) sum += bytes.readUInt32LE(at + 4);
    counts.push(sum);
  }
  return counts;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

function tally(open: readonly OpenConnection[]): number[] {
  const seen = new Map<string, number>();
  for (const { envoy } of open) {
    const backend = envoy.attempted.at(-1) ?? "";
    seen.set(backend, (seen.get(backend) ?? 0) + 1);
  }
  return [...seen.values()].sort((a, b) => a - b);
}

describe("one worker", () => {
  it.each([2, 10, 300])("spreads connections that stay over %i backends, evenly", async (count) => {
    const { host } = await WaitingHost.load([least(count)]);
    const mean = 50;
    const open = Array.from({ length: mean * count }, () => host.open(AT));
    const seen = tally(open);
    expect(seen).toHaveLength(count);
    // Two draws differ from the mean by ln ln n / ln 2 and a constant (Mitzenmacher): 2.5 for 300.
    // One draw would differ by 28 here, four standard deviations.
    expect((seen.at(-1) ?? 0) - mean).toBeLessThanOrEqual(6);
    expect(mean - (seen[0] ?? 0)).toBeLessThanOrEqual(8);
    for (const { end } of open) end();
  });

  it("sends nothing to one that keeps its connections, while others have fewer", async () => {
    const { host } = await WaitingHost.load([least(2)]);
    const held = Array.from({ length: 20 }, () => host.open(AT));
    const [first = 0, second = 0] = tally(held);
    expect([first, second]).toEqual([10, 10]);
    // All of one backend end: the next ten go there.
    const freed = held[0]?.connected.backend;
    const kept = held.filter(({ connected, end }) => {
      if (connected.backend !== freed) return true;
      end();
      return false;
    });
    const next = Array.from({ length: 10 }, () => host.open(AT));
    expect(new Set(next.map(({ connected }) => connected.backend))).toEqual(new Set([freed]));
    for (const { end } of [...kept, ...next]) end();
  });

  it("counts a connection for the backend that has it in the end", async () => {
    const waiting = await WaitingHost.load([least(2)]);
    const { envoy, end } = waiting.open();
    const refusing = envoy.attempt();
    envoy.fail();
    waiting.pass(5);
    const accepting = envoy.attempt();
    expect(accepting).not.toBe(refusing);
    waiting.pass(20);
    envoy.accept();
    waiting.pass(25);
    // The other has none, so both of two draws lead there.
    const next = waiting.host.open(AT);
    expect(next.connected.backend).toBe(refusing);
    for (const each of [end, next.end]) each();
  });

  it("keeps nothing of connections of other balancings, and has no ticks for them", async () => {
    const { host } = await WaitingHost.load([frontend(1)], { build: "b,stats=off,attempt=0" });
    const { end } = host.open(AT);
    expect(host.isTicking).toBe(false);
    end();
    expect(told(host)).toEqual([]);
  });
});

describe("several workers", () => {
  it("know each other's connections after a second", async () => {
    const waiting = await WaitingHost.load([least(2)], { workers: 2 });
    const { host } = waiting;
    const all = Array.from({ length: 20 }, () => host.open(AT));
    const held = all.filter(({ connected, end }) => {
      if (connected.backend === "10.1.0.1:8080") return true;
      end();
      return false;
    });
    waiting.pass(WRITTEN_MS);
    expect(told(host)).toEqual([10]);
    const next = Array.from({ length: 10 }, () => host.open(AT, { worker: 1 }));
    const others = new Set(next.map(({ connected }) => connected.backend));
    expect(others).toEqual(new Set(["10.1.0.2:8080"]));
    for (const { end } of [...held, ...next]) end();
    waiting.pass(WRITTEN_MS);
    expect(told(host)).toEqual([]);
    expect(host.isTicking).toBe(false);
  });

  it("are woken rarely by connections that just stay", async () => {
    const waiting = await WaitingHost.load([least(2)]);
    const { end } = waiting.host.open(AT);
    waiting.pass(3 * WRITTEN_MS);
    expect(waiting.host.tickPeriods).toEqual([5_000]);
    waiting.pass(10 * DEAD_MS);
    expect(told(waiting.host)).toEqual([1]);
    end();
  });

  it("make the load of a slow backend that of two draws with counts a second old", async () => {
    const workers = 4;
    const load = await slowLoad("least-connections", workers);
    const random = await slowLoad("random", workers);
    // 5 times as slow: it would have 5 / 1.4 = 3.57 times the mean at random. In the lab 1.3 with
    // counts a second old. The bounds are five standard errors of these runs, 0.03 and 0.1.
    expect(Math.abs(random - 3.57)).toBeLessThan(0.5);
    expect(load).toBeLessThan(1.6);
  });

  /** Open connections of one backend of ten that holds them 5 times as long, over the mean. */
  async function slowLoad(balancing: "random" | "least-connections", workers: number) {
    const web = least(10, { settings: { ...DEFAULT_SETTINGS, balancing } });
    const waiting = await WaitingHost.load([web], { workers });
    const slow = "10.1.0.1:8080";
    const stepMs = 10;
    const queue = new Map<number, OpenConnection[]>();
    let open = 0;
    let openSlow = 0;
    let ratios = 0;
    let samples = 0;
    for (let step = 0; step < 1_500; step++) {
      for (const { connected, end } of queue.get(step) ?? []) {
        open--;
        if (connected.backend === slow) openSlow--;
        end();
      }
      queue.delete(step);
      // 600 connections a second, held 200 ms, at the slow one 1 s.
      for (let i = 0; i < 6; i++) {
        const each = waiting.host.open(AT, { worker: (step * 6 + i) % workers });
        const isSlow = each.connected.backend === slow;
        open++;
        if (isSlow) openSlow++;
        const until = step + (isSlow ? 100 : 20);
        queue.set(until, [...(queue.get(until) ?? []), each]);
      }
      waiting.pass(stepMs);
      if (step < 300) continue;
      ratios += openSlow / (open / 10);
      samples++;
    }
    for (const { end } of [...queue.values()].flat()) end();
    return ratios / samples;
  }
});

describe("counts agree when all connections have ended", () => {
  it("whatever happened, in any worker and list", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 60 }), async (happenings) => {
        const split = least(5, { localBackends: backends(3) });
        const waiting = await WaitingHost.load([split], { workers: 2 });
        const open: OpenConnection[] = [];
        for (const { what, worker, list, which } of happenings) {
          const one = open[which % Math.max(open.length, 1)];
          if (what === "open") open.push(waiting.open({ worker, list }));
          else if (what === "pass") waiting.pass(which * 40);
          else if (one && what === "accept") one.envoy.accept();
          else if (one && what === "fail") {
            one.envoy.fail();
            waiting.pass(10);
            one.envoy.attempt();
          } else if (one && what === "end") open.splice(open.indexOf(one), 1)[0]?.end();
        }
        waiting.pass(WRITTEN_MS);
        expect(sum(told(waiting.host))).toBe(open.length);
        for (const { end } of open) end();
        waiting.pass(WRITTEN_MS);
        expect(told(waiting.host)).toEqual([]);
        waiting.host.close();
      }),
      { numRuns: 60 },
    );
  });

  const happening = fc.record({
    what: fc.constantFrom("open", "open", "open", "accept", "fail", "end", "pass"),
    worker: fc.constantFrom(0, 1),
    list: fc.constantFrom("cluster" as const, "local" as const),
    which: fc.nat({ max: 30 }),
  });

  it("with code that was loaded meanwhile, which learns of the old code's", async () => {
    const clock = { time: 1_000_000_000_000n };
    const old = await WaitingHost.load([least(2)], {}, clock);
    const held = Array.from({ length: 10 }, () => old.host.open(AT));
    old.pass(WRITTEN_MS);
    const next = await WaitingHost.load([], { shared: old.host.shared, seed: 9 }, clock);
    const first = next.host.open(AT);
    next.pass(WRITTEN_MS);
    expect(told(next.host).sort()).toEqual([1, 10]);
    for (const { end } of held) end();
    old.pass(WRITTEN_MS);
    expect(told(next.host)).toEqual([1]);
    first.end();
    next.pass(WRITTEN_MS);
    expect(told(next.host)).toEqual([]);
  });

  it("of a VM that has trapped: they are no longer counted, and its place is free", async () => {
    const clock = { time: 1_000_000_000_000n };
    const trapped = await WaitingHost.load([least(2)], {}, clock);
    const place = Array.from({ length: 50 }, () => trapped.host.open(AT));
    expect(place).toHaveLength(50);
    trapped.pass(WRITTEN_MS);
    const { shared } = trapped.host;
    // Nothing of it is called again.
    const next = await WaitingHost.load([], { shared, seed: 9 }, clock);
    next.pass(DEAD_MS);
    const open = Array.from({ length: 4 }, () => next.host.open(AT));
    expect(tally(open)).toEqual([2, 2]);
    next.pass(WRITTEN_MS);
    expect(told(next.host)).toEqual([4]);
    for (const { end } of open) end();
  });
});
