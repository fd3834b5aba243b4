// A limit on silence: aborts a request when nothing came for too long, or when all must stop.

import type { Clock } from "../system/clock.ts";

export class SilenceGuard {
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  readonly #controller = new AbortController();
  #cancelTimer = () => {};
  #limitMs = 0;
  #reason: () => Error = () => new Error("silence");

  /** `stop` aborts the request too, with its own reason. */
  constructor(clock: Clock, stop: AbortSignal) {
    this.#clock = clock;
    this.#stop = stop;
    stop.addEventListener("abort", this.#onStop);
    if (stop.aborted) this.#onStop();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on `limitMs` of silence abort the request, with the error that `reason` makes. */
  limit(limitMs: number, reason: () => Error): void {
    this.#limitMs = limitMs;
    this.#reason = reason;
    this.#heard();
  }

  #heard(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(this.#limitMs, () => {
      this.#controller.abort(this.#reason());
    });
  }

  readonly #onStop = () => this.#controller.abort(this.#stop.reason);

  /** Yields the same bytes; each piece ends a silence. */
  async *listen(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of stream) {
      this.#heard();
      yield piece;
    }
  }

  /** The request is over: nothing aborts any more. */
  end(): void {
    this.#cancelTimer();
    this.#stop.removeEventListener("abort", this.#onStop);
  }
}
