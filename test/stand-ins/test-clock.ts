// A clock without time: a test fires what waits.

import type { Clock } from "../../controller/system/clock.ts";

/** Fires what is due within `autoMs` by itself; the rest waits until it is told. */
export class TestClock implements Clock {
  readonly delays: number[] = [];
  readonly #waiting = new Map<object, { delayMs: number; callback: () => void }>();
  readonly #autoMs: number;

  constructor(autoMs = 10_000) {
    this.#autoMs = autoMs;
  }

  now(): number {
    return 0;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = {};
    this.#waiting.set(timer, { delayMs, callback });
    if (delayMs > this.#autoMs) return () => this.#waiting.delete(timer);
    this.delays.push(delayMs);
    setImmediate(() => this.#fire(timer));
    return () => this.#waiting.delete(timer);
  }

  #fire(timer: object): void {
    const waiting = this.#waiting.get(timer);
    this.#waiting.delete(timer);
    waiting?.callback();
  }

  /** Whether something waits this long; if so, it is fired. */
  fire(delayMs: number): boolean {
    for (const [timer, waiting] of this.#waiting) {
      if (waiting.delayMs !== delayMs) continue;
      this.#fire(timer);
      return true;
    }
    return false;
  }
}
