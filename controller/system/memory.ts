// V8's choice between memory and speed. It starts with speed: collecting garbage as often as
// `saveMemory` makes it takes as much CPU in a start as everything else together.

import v8 from "node:v8";

/** By then V8 has collected the garbage of the start, as it does when the process is idle. */
const SETTLED_MS = 30_000;

/**
 * From now on the heap grows as little as possible; V8 shrinks it when the process is idle. Once
 * it has settled, it may grow by a quarter before all of it is looked at again (otherwise by a
 * tenth): with 10,000 Services each look takes 0.3 s of CPU.
 */
export function saveMemory(): void {
  // V8 reads its flags at every collection. The young generation is small by now: to share its
  // collection out to other threads costs more than it is.
  v8.setFlagsFromString("--optimize-for-size --no-parallel-scavenge");
  const grow = () => v8.setFlagsFromString("--heap-growing-percent=25");
  setTimeout(grow, SETTLED_MS).unref();
}
