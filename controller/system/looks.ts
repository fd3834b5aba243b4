// A look at something that cannot always be read (for lack of descriptors, say) → looks one at a
// time, and another one a little later after each that failed.

import type { Clock } from "./clock.ts";

interface LooksOptions {
  clock: Clock;
  /** From a look that failed to the next one. */
  retryMs: number;
  /** To which that doubles from failure to failure; absent: it stays the same. */
  mostRetryMs?: number;
  /** Rejects when it has to look again. */
  look: () => Promise<void>;
}

export class Looks {
  readonly #options: LooksOptions;
  #last: Promise<void> = Promise.resolve();
  #cancelRetry = () => {};
  #isStopped = false;
  #failures = 0;

  constructor(options: LooksOptions) {
    this.#options = options;
  }

  /** Resolves when a look that starts after this call is over, whether it failed or not. */
  now(): Promise<void> {
    this.#last = this.#last.then(() => this.#look());
    return this.#last;
  }

  /** No look starts after this. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry();
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  async #look(): Promise<void> {
    this.#cancelRetry();
    if (this.#isStopped) return;
    const { clock, retryMs, mostRetryMs = retryMs, look } = this.#options;
    try {
      await look();
      this.#failures = 0;
    } catch {
      const delayMs = Math.min(retryMs * 2 ** this.#failures, mostRetryMs);
      this.#failures += 1;
      if (!this.#isStopped) this.#cancelRetry = clock.after(delayMs, () => void this.now());
    }
  }
}
