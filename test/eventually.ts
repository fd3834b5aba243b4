// A condition of the world → how long it took to come true, or an error that says what did not.

import { setTimeout as delay } from "node:timers/promises";

const EVERY_MS = 20;

/**
 * Asks again and again until `holds` says true; returns the milliseconds since the call. Throws
 * when that takes longer than `deadlineMs`: `what` is the subject of the message, and what
 * `seenLast` returns is added to it.
 */
export async function eventually(
  what: string,
  deadlineMs: number,
  holds: () => Promise<boolean>,
  seenLast?: () => unknown,
): Promise<number> {
  const begin = performance.now();
  for (;;) {
    const isSo = await holds();
    const passedMs = Math.round(performance.now() - begin);
    if (isSo) return passedMs;
    if (passedMs > deadlineMs) {
      const seen = seenLast ? `; seen last: ${JSON.stringify(seenLast())}` : "";
      throw new Error(`${what}: not within ${deadlineMs / 1000} s${seen}`);
    }
    await delay(EVERY_MS);
  }
}
