// A look that is taken again and again, with the same time between the end of one and the next.

import type { Clock } from "./clock.ts";

/**
 * Calls `look` after `everyMs`, and so on until the returned function is called. A look may be
 * under way then; `ended` tells it that it must not report any more. It must not reject.
 */
export function repeat(
  clock: Clock,
  everyMs: number,
  look: (ended: AbortSignal) => Promise<void>,
): () => void {
  const end = new AbortController();
  let cancel = () => {};
  const later = () => {
    if (end.signal.aborted) return;
    cancel = clock.after(everyMs, () => void look(end.signal).finally(later));
  };
  later();
  return () => {
    end.abort();
    cancel();
  };
}
