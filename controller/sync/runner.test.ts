import { describe, expect, it } from "vitest";
import type { Clock } from "../system/clock.ts";
import { Runner, type RunnerOptions } from "./runner.ts";

/** A clock that stands still until a test moves it. */
class ManualClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];
  now(): number {
    return this.#now;
  }
  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  /** Moves the time, fires what comes due in order, and lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      this.#timers.sort((a, b) => a.at - b.at);
      const next = this.#timers[0];
      if (!next || next.at > end) break;
      this.#timers.shift();
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

function setUp(overrides: Partial<RunnerOptions> = {}) {
  const clock = new ManualClock();
  const runs: { at: number; full: boolean }[] = [];
  const errors: number[] = [];
  const runner = new Runner({
    run: async (full) => {
      runs.push({ at: clock.now(), full });
    },
    onError: (_error, retryInMs) => errors.push(retryInMs),
    clock,
    minIntervalMs: 20,
    lastingIntervalMs: 40,
    fullIntervalMs: 30_000,
    retryMinMs: 100,
    retryMaxMs: 1_000,
    ...overrides,
  });
  return { clock, runs, errors, runner };
}

describe("Runner", () => {
  it("shares one run among requests that come together, and starts it at once", async () => {
    const { clock, runs, runner } = setUp();
    for (let request = 0; request < 50; request += 1) runner.request();
    expect(runs).toEqual([]);
    await clock.advance(0);
    expect(runs).toEqual([{ at: 0, full: false }]);
    await clock.advance(1_000);
    expect(runs).toHaveLength(1);
  });

  it("keeps the least interval between the starts of two runs", async () => {
    const { clock, runs, runner } = setUp();
    runner.request();
    for (const ms of [6, 1, 100]) {
      await clock.advance(ms);
      runner.request();
    }
    await clock.advance(0);
    expect(runs.map((run) => run.at)).toEqual([0, 20, 107]);
  });

  it("runs again after a request that came during a run, and never two at once", async () => {
    let finish = (): void => {};
    let active = 0;
    let most = 0;
    let count = 0;
    const { clock, runner } = setUp({
      run: () => {
        count += 1;
        active += 1;
        most = Math.max(most, active);
        return new Promise<void>((resolve) => {
          finish = () => {
            active -= 1;
            resolve();
          };
        });
      },
    });
    runner.request();
    await clock.advance(10);
    runner.request();
    await clock.advance(1_000);
    expect(count).toBe(1);
    finish();
    await clock.advance(50);
    expect(count).toBe(2);
    expect(most).toBe(1);
  });

  it("tries a failed run again with growing pauses, small again after a success", async () => {
    let failing = true;
    const at: number[] = [];
    const { clock, errors, runner } = setUp({
      run: async () => {
        at.push(clock.now());
        if (failing) throw new Error("no");
      },
    });
    runner.request();
    await clock.advance(100 + 200 + 400 + 800 + 1_000);
    expect(errors).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    failing = false;
    await clock.advance(1_000);
    failing = true;
    runner.request();
    await clock.advance(20);
    expect(errors.at(-1)).toBe(100);
  });

  it("lets more requests share a run where they have come closely for a second", async () => {
    const { clock, runs, runner } = setUp();
    for (let ms = 0; ms < 2_000; ms += 10) {
      runner.request();
      await clock.advance(10);
    }
    const gaps = runs.map(({ at }, index) => at - (runs[index - 1]?.at ?? at)).slice(1);
    const gapsOf = (from: number, to: number) =>
      new Set(
        gaps.filter((_, index) => (runs[index]?.at ?? 0) >= from && (runs[index]?.at ?? 0) < to),
      );
    expect([...gapsOf(0, 1_000)]).toEqual([20]);
    expect([...gapsOf(1_000, 1_900)]).toEqual([40]);
    await clock.advance(200);
    const before = runs.length;
    runner.request();
    await clock.advance(0);
    runner.request();
    await clock.advance(20);
    expect(runs.slice(before).map(({ at }) => at)).toEqual([2_200, 2_220]);
  });

  it("makes no request wait that comes long after the run before, however many came", async () => {
    const { clock, runs, runner } = setUp();
    for (let ms = 0; ms < 3_000; ms += 50) {
      runner.request();
      await clock.advance(50);
    }
    expect(runs.map(({ at }) => at % 50).every((late) => late === 0)).toBe(true);
    expect(runs.length).toBe(60);
  });

  it("does not let a request wait for the pause after a failure", async () => {
    const at: number[] = [];
    const { clock, runner } = setUp({
      retryMinMs: 10_000,
      retryMaxMs: 10_000,
      run: async () => {
        at.push(clock.now());
        if (at.length === 1) throw new Error("no");
      },
    });
    runner.request();
    await clock.advance(100);
    runner.request();
    await clock.advance(100);
    expect(at).toEqual([0, 100]);
  });

  it("runs in full when nothing was asked for a full interval", async () => {
    const { clock, runs, runner } = setUp();
    runner.request();
    await clock.advance(60_000);
    expect(runs.map((run) => run.full)).toEqual([false, true, true]);
  });

  it("starts nothing more once stopped", async () => {
    const { clock, runs, runner } = setUp();
    runner.request();
    await runner.stop();
    await clock.advance(60_000);
    expect(runs).toEqual([]);
  });
});

describe("Runner's full runs", () => {
  it("come when they are due where something is requested all the time", async () => {
    const { clock, runs, runner } = setUp();
    for (let second = 0; second < 100; second += 1) {
      runner.request();
      await clock.advance(1_000);
    }
    expect(runs.length).toBeGreaterThan(100);
    expect(fullRuns(runs)).toEqual([30_000, 60_000, 90_000]);
  });

  it("share the run of a request that comes when they are due", async () => {
    const { clock, runs, runner } = setUp();
    runner.request();
    await clock.advance(29_985);
    runner.request();
    await clock.advance(1);
    runner.request();
    await clock.advance(1_000);
    expect(runs.slice(1)).toEqual([
      { at: 29_985, full: false },
      { at: 30_005, full: true },
    ]);
  });

  it("are not put off by runs that fail", async () => {
    const runs: { at: number; full: boolean }[] = [];
    const { clock, runner } = setUp({
      run: async (full) => {
        runs.push({ at: clock.now(), full });
        if (!full) throw new Error("no");
      },
    });
    runner.request();
    await clock.advance(30_000);
    expect(runs.length).toBeGreaterThan(20);
    expect(fullRuns(runs)).toEqual([30_000]);
  });

  it("stay due until one succeeds", async () => {
    let failing = true;
    const runs: { at: number; full: boolean }[] = [];
    const { clock, runner } = setUp({
      run: async (full) => {
        runs.push({ at: clock.now(), full });
        if (full && failing) throw new Error("no");
      },
    });
    runner.request();
    await clock.advance(30_000);
    runner.request();
    await clock.advance(50);
    failing = false;
    await clock.advance(29_000);
    expect(runs).toEqual([
      { at: 0, full: false },
      { at: 30_000, full: true },
      { at: 30_020, full: true },
      { at: 30_220, full: true },
    ]);
  });

  it("come soon when one is requested, and again a full interval after it", async () => {
    const { clock, runs, runner } = setUp();
    runner.request();
    await clock.advance(1_000);
    runner.requestFull();
    await clock.advance(30_000);
    expect(runs).toEqual([
      { at: 0, full: false },
      { at: 1_000, full: true },
      { at: 31_000, full: true },
    ]);
  });

  it("come again when one is requested while one is under way", async () => {
    const runs: { at: number; full: boolean }[] = [];
    const { clock, runner } = setUp({
      run: (full) => {
        runs.push({ at: clock.now(), full });
        return new Promise((resolve) => clock.after(100, resolve));
      },
    });
    runner.requestFull();
    await clock.advance(50);
    runner.requestFull();
    runner.request();
    await clock.advance(1_000);
    expect(runs).toEqual([
      { at: 0, full: true },
      { at: 100, full: true },
    ]);
  });
});

function fullRuns(runs: readonly { at: number; full: boolean }[]): number[] {
  return runs.filter(({ full }) => full).map(({ at }) => at);
}
