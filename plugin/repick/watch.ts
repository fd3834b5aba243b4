// Watches the connections of this VM until each has its backend (waiting.ts), in ticks that come
// every few milliseconds and end with the last one: an idle VM does nothing.

import { entryCount } from "../eject/entries";
import { setClaimTime } from "../eject/probe";
import { steadyNow } from "../host/clock";
import { enterContext } from "../host/context";
import { tickEvery } from "../host/ticks";
import { pickedBackend } from "../pick/backend";
import { pickedHeedsEjections } from "../pick/lookup";
import { look, setAttempts, settle } from "./look";
import { addWaiting, removeWaiting, Waiting, waitingAt, waitingCount } from "./waiting";

/** Half of the backoff between two attempts of Envoy (controller/xds/tcp-options.ts). */
const LOOK_MILLISECONDS: u32 = 5;

let isWatching: bool = false;
/** Whether a connection of the list may have had several backends. */
let someRepicked: bool = false;

/**
 * Sets how many of Envoy's attempts go to backends, and how long each lasts, ms; 0: it makes one,
 * and connections are not watched.
 */
export function setWatching(attempts: u32, attemptMilliseconds: u32): void {
  isWatching = attemptMilliseconds !== 0;
  setAttempts(attempts, attemptMilliseconds);
  setClaimTime(attemptMilliseconds);
}

/** Returns whether connections are watched. */
export function watchesConnections(): bool {
  return isWatching;
}

/** The picked backend of the key's list became the destination of a new connection. */
export function watchPicked(context: u32, key: usize): void {
  if (!isWatching) return;
  addWaiting(context, key, pickedBackend(), pickedHeedsEjections());
  tickEvery(LOOK_MILLISECONDS);
}

/** Looks at all connections that are due. Returns the ticks that it needs, ms; 0 for none. */
export function watch(now: u64): u32 {
  someRepicked = false;
  for (let index = waitingCount(); index-- > 0; ) {
    const entry = waitingAt(index);
    if (now >= entry.lookAt && !look(entry, now)) removeWaiting(index);
    else if (entry.attempt > 1) someRepicked = true;
  }
  return waitingCount() === 0 ? 0 : LOOK_MILLISECONDS;
}

/** Requests ticks for what is watched, from a root context that still has connections. */
export function watchAgain(): void {
  let index = waitingCount();
  while (index > 0 && !enterContext(waitingAt(index - 1).context)) index--;
  if (index > 0) tickEvery(LOOK_MILLISECONDS);
}

function waitingWith(context: u32): Waiting | null {
  for (let index = waitingCount(); index-- > 0; ) {
    if (waitingAt(index).context === context) return waitingAt(index);
  }
  return null;
}

/** The context ends, and may be that of a connection which no look has seen connected. */
export function settleEnding(context: u32): void {
  if (!someRepicked && entryCount() === 0) return;
  const entry = waitingWith(context);
  if (entry !== null) settle(entry, steadyNow());
}
