// A tick of the VM → the ejected backends as they are now, a look at the connections that wait, the
// counts added to their pages, and when the next one is: at once more rarely, or never, when there
// is less to do.

import { ejectedTicks, refreshEntries } from "../eject/entries";
import { steadyNow } from "../host/clock";
import { continueTicks } from "../host/ticks";
import { watch } from "../repick/watch";
import { flushByTick } from "../stats/counted";

/** Called for the root context whose timer it was. */
export function proxy_on_tick(contextId: u32): void {
  const now = steadyNow();
  refreshEntries(now);
  const forWaiting = watch(now);
  const forCounts = flushByTick(now);
  const forEjected = ejectedTicks();
  const rarely = forCounts !== 0 ? forCounts : forEjected;
  continueTicks(contextId, forWaiting !== 0 ? forWaiting : rarely);
}
