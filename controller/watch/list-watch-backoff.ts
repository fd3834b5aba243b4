// How long to wait before the next try: doubling, with a limit, and with chance, so that the nodes
// of a cluster do not all come back in the same moment.

const FIRST_MS = 500;
const LIMIT_MS = 10_000;
/** A server that asks for more than this in Retry-After is asked again all the same. */
const RETRY_AFTER_LIMIT_MS = 60_000;

export class Backoff {
  #failures = 0;
  readonly #random: () => number;

  /** `random` gives numbers from 0 up to 1, as Math.random does. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Milliseconds to wait after one more failure: between half and the whole of 0.5 s, 1 s, 2 s …
   * 10 s, and not less than what the server asked for.
   */
  afterFailure(retryAfterMs = 0): number {
    const whole = Math.min(LIMIT_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    const asked = Math.min(retryAfterMs, RETRY_AFTER_LIMIT_MS);
    return Math.max(asked, whole * (0.5 + 0.5 * this.#random()));
  }

  /** Things went well: the next failure is a first one. */
  reset(): void {
    this.#failures = 0;
  }
}
