// The open connections of this VM: what must be known of each when it ends, by its context.
//
//    0         4         8           16       44
//   +---------+---------+-----------+--------+------+
//   | context | zero    | opened at | key    | zero |
//   | u32     |         | u64, ns   | 28     |      |
//   +---------+---------+-----------+--------+------+

import { addContext, ContextMap, removeContext, slotOfContext } from "../host/context-map";
import { STATS_KEY_BYTES } from "../wire/stats-layout";

const SLOT_BYTES: u32 = 48;
const OPENED_AT_OFFSET: u32 = 8;
const KEY_OFFSET: u32 = 16;

const open = changetype<ContextMap>(memory.data(offsetof<ContextMap>(), 8));
open.slotBytes = SLOT_BYTES;

/** Notes an open connection: its opening time (ns), and the key under which it counts. */
export function addOpen(context: u32, openedAt: u64, key: usize): void {
  const slot = addContext(open, context);
  store<u64>(slot + OPENED_AT_OFFSET, openedAt);
  memory.copy(slot + KEY_OFFSET, key, STATS_KEY_BYTES);
}

/** Copies the key, returns the opening time, and forgets it; 0 when the context has none. */
export function takeOpen(context: u32, key: usize): u64 {
  const slot = slotOfContext(open, context);
  if (slot === 0) return 0;
  const openedAt = load<u64>(slot + OPENED_AT_OFFSET);
  memory.copy(key, slot + KEY_OFFSET, STATS_KEY_BYTES);
  removeContext(open, slot);
  return openedAt;
}
