// An action that many events request → the same action, soon after the first event, and not often.

import type { Clock } from "./clock.ts";

/** Events within this time share one action. */
const COALESCE_MS = 20;

/**
 * Returns a function that requests `act`. After every call an `act` starts, 20 ms later, or
 * `intervalMs` after the last one started, whichever is later.
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
