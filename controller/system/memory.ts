// V8's choice between memory and speed. It starts with speed: collecting garbage as often as
// `saveMemory` makes it takes as much CPU in a start as everything else together.

import v8 from "node:v8";

/** From now on the heap grows as little as possible; V8 shrinks it when the process is idle. */
export function saveMemory(): void {
  // V8 reads the flag at every collection.
  v8.setFlagsFromString("--optimize-for-size");
}
