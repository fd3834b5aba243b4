// A clock on which time stands still: what waits, waits until a test runs it.

import type { Clock } from "../../controller/system/clock.ts";

export class StoppedClock implements Clock {
  readonly waiting: { delayMs: number; callback: () => void }[] = [];

  now(): number {
    return 0;
  }

  after(delayMs: number, callback: () => void): () => void {
    const entry = { delayMs, callback };
    this.waiting.push(entry);
    return () => {
      const index = this.waiting.indexOf(entry);
      if (index >= 0) this.waiting.splice(index, 1);
    };
  }

  /** Runs all that waits now. */
  pass(): void {
    for (const { callback } of this.waiting.splice(0)) callback();
  }
}
