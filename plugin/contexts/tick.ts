// A tick of the VM → the ejected backends as they are now, a look at the connections that wait, the
// counts added to their pages, those of limits and of open connections written, and when the next
// one is: at once more rarely, or never, when there is less to do.

import { ejectedTicks, refreshEntries } from "../eject/entries";
import { steadyNow } from "../host/clock";
import { continueTicks } from "../host/ticks";
import { keepCounts } from "../limit/admit";
import { writeByTick } from "../load/others";
import { watch } from "../repick/watch";
import { flushByTick } from "../stats/counted";

/** Of two periods, ms; 0 is none. */
function sooner(a: u32, b: u32): u32 {
  return a === 0 || (b !== 0 && b < a) ? b : a;
}

/** Called for the root context whose timer it was. */
export function proxy_on_tick(contextId: u32): void {
  const now = steadyNow();
  refreshEntries(now);
  const forWaiting = watch(now);
  const forCounts = flushByTick(now);
  const forOthers = sooner(keepCounts(now), writeByTick(now));
  const rarely = sooner(forCounts, forOthers);
  continueTicks(contextId, sooner(forWaiting, sooner(rarely, ejectedTicks())));
}
