// Time as a parameter: everything that waits gets its clock from here, so that tests control it.

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Calls `callback` once after `delayMs`; the returned function cancels that. 0: once everything
   * that has already arrived is handled, without waiting for a timer.
   */
  after(delayMs: number, callback: () => void): () => void;
}

/** Node calls back immediately for any longer delay. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/**
 * For timers: starts with the machine's time at process start, and is monotonic from then on, so
 * that setting the machine's clock neither delays nor hurries anything. Caps delays at 24.8 days.
 */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after: (delayMs, callback) => {
    if (delayMs <= 0) {
      // A timer of 0 would fire a millisecond later.
      const immediate = setImmediate(callback);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/** For times that are shown, or compared with other machines': the machine's clock. */
export const wallClock: Clock = { ...systemClock, now: () => Date.now() };
