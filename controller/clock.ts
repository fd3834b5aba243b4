// Time as a parameter: everything that waits gets its clock from here, so that tests can turn it.

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `callback` once after `delayMs`; the returned function takes that back. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Node calls back at once after any delay that is longer. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/**
 * For whoever waits: what the machine's clock said when the process started, and steady from then
 * on, so that setting that clock neither holds up nor hurries anything. A delay of more than 24.8
 * days is cut to that.
 */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/** For what is compared with other machines' times, or shown: what the machine's clock says now. */
export const wallClock: Clock = { ...systemClock, now: () => Date.now() };
