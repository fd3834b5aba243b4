// The connections of this VM that may have no backend yet: one entry each, in any order, from the
// first pick until a look (look.ts) finds that it is connected or has ended.
//
//    0         4         8       12      16         24         32    52        72     92
//   +---------+---------+-------+-------+----------+----------+-----+---------+------+-------+
//   | context | attempt | begun | facts | since    | look at  | key | backend | left | tried |
//   | u32     | u32     | u32   |       | u64, ns  | u64, ns  | 20  | 20      | 20   |       |
//   +---------+---------+-------+-------+----------+----------+-----+---------+------+-------+
//
// key names the list, backend is the destination that was set last, left the silent one before it
// whose attempt may still be in progress, and tried is pick/tried.ts's.

import { allocate, release } from "../abi/memory";
import { enterContext } from "../host/context";
import { TRIED_BYTES } from "../pick/tried";
import { BACKEND_IPV6_BYTES, KEY_BYTES } from "../wire/layout";

/** The first fields of an entry. */
@unmanaged
export class Waiting {
  context: u32;
  /** Number of the attempt that the backend is for, from 1. */
  attempt: u32;
  /** How many attempts had begun at the last look. */
  begun: u32;
  /** Whether the attempt before it went to the same backend. */
  isAgain: bool;
  /** Whether `left` has a backend. */
  hasLeft: bool;
  /** Whether failures count, and successes: ejection is on for the frontend. */
  countsFailures: bool;
  /** When a look last found or made a change; 0 before the first. */
  since: u64;
  /** Before that time, no look is needed. */
  lookAt: u64;
}

const KEY_OFFSET: u32 = offsetof<Waiting>();
const BACKEND_OFFSET: u32 = KEY_OFFSET + KEY_BYTES;
const LEFT_OFFSET: u32 = BACKEND_OFFSET + BACKEND_IPV6_BYTES;
const TRIED_OFFSET: u32 = LEFT_OFFSET + BACKEND_IPV6_BYTES;
/** A multiple of 8, for the times. */
const ENTRY_BYTES: u32 = (TRIED_OFFSET + TRIED_BYTES + 7) & ~7;
const FIRST_ENTRIES: u32 = 64;

let entries: usize = 0;
let capacity: u32 = 0;
let used: u32 = 0;

/** Returns how many entries there are. */
export function waitingCount(): u32 {
  return used;
}

/** Returns an entry by its index; valid until one is added. */
export function waitingAt(index: u32): Waiting {
  return changetype<Waiting>(entries + index * ENTRY_BYTES);
}

/** Returns where the key is of the list that the connection's backends are from. */
export function keyOf(entry: Waiting): usize {
  return changetype<usize>(entry) + KEY_OFFSET;
}

/** Returns where the backend is that was set last, with BACKEND_IPV6_BYTES of room. */
export function backendOf(entry: Waiting): usize {
  return changetype<usize>(entry) + BACKEND_OFFSET;
}

/** Returns where the backend is that was left, with BACKEND_IPV6_BYTES of room. */
export function leftOf(entry: Waiting): usize {
  return changetype<usize>(entry) + LEFT_OFFSET;
}

/** Returns where the backends are that the connection has tried, for pick/tried.ts. */
export function triedOf(entry: Waiting): usize {
  return changetype<usize>(entry) + TRIED_OFFSET;
}

function grow(): void {
  const old = entries;
  capacity = max(FIRST_ENTRIES, capacity * 2);
  entries = allocate(capacity * ENTRY_BYTES);
  memory.copy(entries, old, used * ENTRY_BYTES);
  release(old);
}

/** Removes connections that ended before a look, and grows only if many remain. */
function makeRoom(present: u32): void {
  for (let index = used; index-- > 0; ) {
    if (!enterContext(waitingAt(index).context)) removeWaiting(index);
  }
  if (capacity !== 0) enterContext(present);
  if (used * 2 >= capacity) grow();
}

/** Adds the present connection, whose first attempt goes to this backend of the key's list. */
export function addWaiting(context: u32, key: usize, backend: usize, countsFailures: bool): void {
  if (used === capacity) makeRoom(context);
  const entry = waitingAt(used++);
  entry.context = context;
  entry.attempt = 1;
  entry.begun = 0;
  entry.isAgain = false;
  entry.hasLeft = false;
  entry.countsFailures = countsFailures;
  entry.since = 0;
  entry.lookAt = 0;
  memory.copy(keyOf(entry), key, KEY_BYTES);
  memory.copy(backendOf(entry), backend, BACKEND_IPV6_BYTES);
  store<u32>(triedOf(entry), 0);
}

/** Removes an entry; the last one takes its place. */
export function removeWaiting(index: u32): void {
  used--;
  if (index === used) return;
  memory.copy(changetype<usize>(waitingAt(index)), changetype<usize>(waitingAt(used)), ENTRY_BYTES);
}
