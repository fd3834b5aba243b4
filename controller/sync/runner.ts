// When to sync. It is told that something changed and calls `run`, with these guarantees:
//
//  1. A request is followed by a run that starts after it, never only by one already under way.
//  2. Two runs never overlap.
//  3. Requests within `coalesceMs` of the first one share its run.
//  4. Between the starts of two requested runs lie at least `minIntervalMs`.
//  5. A failed run is tried again after `retryMinMs`, doubled with every further failure up to
//     `retryMaxMs`; a request meanwhile does not wait for that.
//  6. With nothing requested, a run happens every `fullIntervalMs`, and is told so.
//
// After kubernetes pkg/proxy/runner/bounded_frequency_runner.go, which waits a second where this
// waits a few milliseconds: a sync here costs what changed and not what exists.

import type { Clock } from "../clock.ts";

export interface RunnerOptions {
  /** `full`: the periodic run, which also looks for what others changed behind our back. */
  run: (full: boolean) => Promise<void>;
  /** Told of every failed run; the runner itself only tries again. */
  onError: (error: unknown, retryInMs: number) => void;
  clock: Clock;
  coalesceMs: number;
  minIntervalMs: number;
  fullIntervalMs: number;
  retryMinMs: number;
  retryMaxMs: number;
}

export class Runner {
  readonly #options: RunnerOptions;
  #cancelTimer: (() => void) | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #lastStart = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #fullDue = false;
  #requestedDuringRun = false;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Asks for a run soon. Cheap; may be called for every event. */
  request(): void {
    if (this.#running) {
      this.#requestedDuringRun = true;
      return;
    }
    const { clock, coalesceMs, minIntervalMs } = this.#options;
    this.#arm(Math.max(clock.now() + coalesceMs, this.#lastStart + minIntervalMs), false);
  }

  /** Ends the runner; resolves when the run under way, if any, is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#running;
  }

  /** Plans a run at `at`, unless an earlier one is planned already. */
  #arm(at: number, full: boolean): void {
    if (this.#stopped || at >= this.#dueAt) return;
    this.#cancelTimer?.();
    this.#dueAt = at;
    this.#fullDue = full;
    const { clock } = this.#options;
    this.#cancelTimer = clock.after(Math.max(0, at - clock.now()), () => this.#start());
  }

  #start(): void {
    this.#cancelTimer = undefined;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#lastStart = this.#options.clock.now();
    this.#requestedDuringRun = false;
    const full = this.#fullDue;
    this.#running = this.#options.run(full).then(
      () => this.#finished(undefined),
      (error: unknown) => this.#finished({ error }),
    );
  }

  #finished(failure: { error: unknown } | undefined): void {
    this.#running = undefined;
    const { clock, fullIntervalMs, retryMinMs, retryMaxMs, onError } = this.#options;
    if (failure) {
      const delay = Math.min(retryMaxMs, retryMinMs * 2 ** this.#failures);
      this.#failures += 1;
      this.#arm(clock.now() + delay, false);
      onError(failure.error, delay);
    } else {
      this.#failures = 0;
      this.#arm(clock.now() + fullIntervalMs, true);
    }
    if (this.#requestedDuringRun) this.request();
  }
}
