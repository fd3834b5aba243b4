// When to sync. Others request runs; this calls `run`, with these guarantees:
//
//  1. A request is followed by a run that starts after it, never only by one already under way.
//  2. Two runs never overlap.
//  3. The first request after a quiet time runs at once: with everything that arrived together with
//     it, and nothing else is waited for.
//  4. The starts of two requested runs are at least `minIntervalMs` apart, and where requests have
//     come close together for a while, `lastingIntervalMs`: so requests that follow each other
//     closely share a run.
//  5. A failed run is retried after `retryMinMs`, doubled with every further failure up to
//     `retryMaxMs`; a request meanwhile does not wait for that.
//  6. A full run is due `fullIntervalMs` after the last that succeeded (the first: after the first
//     request), whatever else runs or fails meanwhile; the first run to start from then on is full.
//  7. A full run that fails stays due: each later run is full, until one succeeds.
//  8. A requested full run is due immediately; 1 to 5 hold for it as for any request.
//
// After kubernetes pkg/proxy/runner/bounded_frequency_runner.go, which waits a second where this
// waits a few milliseconds at most: a sync here costs in proportion to what changed, not to what
// exists.

import type { Clock } from "../system/clock.ts";

export interface RunnerOptions {
  /** `full`: the periodic run, which also looks for what others changed. */
  run: (full: boolean) => Promise<void>;
  /** Called after every failed run; the runner itself only retries. */
  onError: (error: unknown, retryInMs: number) => void;
  clock: Clock;
  minIntervalMs: number;
  /** Instead, if it is more, while the load lasts. */
  lastingIntervalMs: number;
  fullIntervalMs: number;
  retryMinMs: number;
  retryMaxMs: number;
}

/** A run so long after the one before begins anew: what came before was not lasting. */
const QUIET_MS = 100;
/** The load lasts when runs have followed each other for this long. */
const LASTING_MS = 1_000;

export class Runner {
  readonly #options: RunnerOptions;
  /** Of the run that is planned, unless only the next full run is. */
  #cancelSoon: (() => void) | undefined;
  #soonAt = Number.POSITIVE_INFINITY;
  /**
   * Of the timer for the next full run. Runs in between leave it alone: with many a second, to set
   * it anew after each would cost more than to let it fire too early now and then.
   */
  #cancelFull: (() => void) | undefined;
  /** Only a successful full run postpones it; infinite before the first request. */
  #fullDueAt = Number.POSITIVE_INFINITY;
  #lastStart = Number.NEGATIVE_INFINITY;
  /** The start of the first run since it was quiet. */
  #firstStart = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #requestedDuringRun = false;
  #fullRequestedDuringRun = false;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Requests a run soon. Cheap; may be called for every event. */
  request(): void {
    const { clock, fullIntervalMs } = this.#options;
    if (this.#fullDueAt === Number.POSITIVE_INFINITY) {
      this.#fullDueAt = clock.now() + fullIntervalMs;
    }
    if (this.#running) {
      this.#requestedDuringRun = true;
      return;
    }
    this.#arm(this.#soonest());
  }

  /** Requests a full run soon. Cheap; may be called for every event. */
  requestFull(): void {
    this.#fullDueAt = Math.min(this.#fullDueAt, this.#options.clock.now());
    if (this.#running) this.#fullRequestedDuringRun = true;
    this.request();
  }

  /** Ends the runner; resolves when the run under way, if any, is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelSoon?.();
    this.#cancelFull?.();
    await this.#running;
  }

  #soonest(): number {
    const { clock, minIntervalMs, lastingIntervalMs } = this.#options;
    const isLasting = this.#lastStart - this.#firstStart >= LASTING_MS;
    const interval = isLasting ? Math.max(minIntervalMs, lastingIntervalMs) : minIntervalMs;
    return Math.max(clock.now(), this.#lastStart + interval);
  }

  /** Plans a run at `at`, unless an earlier one is planned already. */
  #arm(at: number): void {
    if (this.#stopped || at >= this.#soonAt) return;
    this.#cancelSoon?.();
    this.#soonAt = at;
    const { clock } = this.#options;
    this.#cancelSoon = clock.after(Math.max(0, at - clock.now()), () => this.#start());
  }

  /** Makes sure that the next full run will start, whatever is requested until then. */
  #armFull(): void {
    if (this.#stopped || this.#cancelFull) return;
    const { clock } = this.#options;
    this.#cancelFull = clock.after(Math.max(0, this.#fullDueAt - clock.now()), () => {
      this.#cancelFull = undefined;
      if (this.#fullDueAt > clock.now()) this.#armFull();
      else if (!this.#running) this.#arm(this.#soonest());
    });
  }

  /** A full run that failed is due already: only its retry and requests start runs now. */
  #disarmFull(): void {
    this.#cancelFull?.();
    this.#cancelFull = undefined;
  }

  #start(): void {
    const { clock, run } = this.#options;
    this.#cancelSoon = undefined;
    this.#soonAt = Number.POSITIVE_INFINITY;
    const now = clock.now();
    if (now - this.#lastStart > QUIET_MS) this.#firstStart = now;
    this.#lastStart = now;
    this.#requestedDuringRun = false;
    this.#fullRequestedDuringRun = false;
    const full = now >= this.#fullDueAt;
    this.#running = run(full).then(
      () => this.#succeeded(full),
      (error: unknown) => this.#failed(error, full),
    );
  }

  #succeeded(full: boolean): void {
    const { clock, fullIntervalMs } = this.#options;
    this.#failures = 0;
    if (full && !this.#fullRequestedDuringRun) this.#fullDueAt = clock.now() + fullIntervalMs;
    this.#goOn();
    this.#armFull();
  }

  #failed(error: unknown, full: boolean): void {
    const { clock, retryMinMs, retryMaxMs, onError } = this.#options;
    const delay = Math.min(retryMaxMs, retryMinMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#goOn();
    this.#arm(clock.now() + delay);
    if (full) this.#disarmFull();
    else this.#armFull();
    onError(error, delay);
  }

  #goOn(): void {
    this.#running = undefined;
    if (this.#requestedDuringRun) this.request();
  }
}
