// How long to wait before the next try: doubling, up to a limit, and with jitter, so that the nodes
// of a cluster do not all come back at the same moment.

const FIRST_MS = 500;
const LIMIT_MS = 10_000;
/** The most that Retry-After can delay the next try. */
const RETRY_AFTER_LIMIT_MS = 60_000;

export class Backoff {
  #failures = 0;
  readonly #random: () => number;

  /** `random` gives numbers from 0 up to 1, as Math.random does. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Returns the milliseconds to wait after one more failure: between half and all of 0.5 s, 1 s, 2
   * s … 10 s, and not less than the server asked for.
   */
  afterFailure(retryAfterMs = 0): number {
    const whole = Math.min(LIMIT_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    const asked = Math.min(retryAfterMs, RETRY_AFTER_LIMIT_MS);
    return Math.max(asked, whole * (0.5 + 0.5 * this.#random()));
  }

  /** Success: the next failure counts as the first. */
  reset(): void {
    this.#failures = 0;
  }
}
