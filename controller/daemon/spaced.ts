// An action that many events ask for → the same, done soon after the first of them, and not often.

import type { Clock } from "../clock.ts";

/** Events that come together share one. */
const COALESCE_MS = 20;

/**
 * Returns what asks for `act`. After every call an `act` begins, 20 ms later, or `intervalMs` after
 * the last one began, whichever is later.
 */
export function spaced(clock: Clock, intervalMs: number, act: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  let isPlanned = false;
  return () => {
    if (isPlanned) return;
    isPlanned = true;
    const at = Math.max(clock.now() + COALESCE_MS, last + intervalMs);
    clock.after(at - clock.now(), () => {
      isPlanned = false;
      last = clock.now();
      act();
    });
  };
}
