// What this VM has counted since its last flush: a small hash table of entries, as they stand in
// the pages, added to them every second while something happens, and at once when it is full. So
// a connection pays for no shared data, and a node where nothing happens has no tick.

import { proxy_set_tick_period_milliseconds } from "../abi/env";
import { allocate } from "../abi/memory";
import { statsLostTotal } from "../counters";
import { count } from "../host/counter";
import { hashBytes } from "../table/record";
import { HASH_OFFSET_BASIS } from "../wire/layout";
import { STATS_ENTRY_BYTES, STATS_KEY_BYTES } from "../wire/stats-layout";
import { mergeEntry } from "./pages";

const FLUSH_MILLISECONDS: u32 = 1000;
const SLOTS: u32 = 256; // a power of two
const MOST_USED: u32 = 192;

/** SLOTS entries; a free one has service port 0. Made with the first thing to count. */
let slots: usize = 0;
let used: u32 = 0;
let isTicking: bool = false;

function setTick(milliseconds: u32): void {
  isTicking = milliseconds !== 0;
  proxy_set_tick_period_milliseconds(milliseconds);
}

/** Adds everything to the pages. */
export function flush(): void {
  if (used === 0) return;
  for (let i: u32 = 0; i < SLOTS; i++) {
    const entry = slots + i * STATS_ENTRY_BYTES;
    if (load<u64>(entry) !== 0 && !mergeEntry(entry)) count(statsLostTotal);
  }
  memory.fill(slots, 0, SLOTS * STATS_ENTRY_BYTES);
  used = 0;
}

/** A second has passed. */
export function flushByTick(): void {
  if (used === 0) setTick(0);
  else flush();
}

/** The root context that may have asked for ticks is about to go. */
export function flushForGood(): void {
  flush();
  isTicking = false;
}

function slotAt(index: u32): usize {
  return slots + (index & (SLOTS - 1)) * STATS_ENTRY_BYTES;
}

/** The slot of this key, or the free one where it would go. */
function freeOrOwn(key: usize): usize {
  let index = hashBytes(key, STATS_KEY_BYTES, HASH_OFFSET_BASIS);
  let entry = slotAt(index);
  while (load<u64>(entry) !== 0 && memory.compare(entry, key, STATS_KEY_BYTES) !== 0) {
    entry = slotAt(++index);
  }
  return entry;
}

/** Address of the entry to count in; valid until the next call. The key's service port is not 0. */
export function countedEntry(key: usize): usize {
  if (slots === 0) {
    slots = allocate(SLOTS * STATS_ENTRY_BYTES);
    memory.fill(slots, 0, SLOTS * STATS_ENTRY_BYTES);
  }
  if (!isTicking) setTick(FLUSH_MILLISECONDS);
  let entry = freeOrOwn(key);
  if (load<u64>(entry) !== 0) return entry;
  if (used === MOST_USED) {
    flush();
    entry = freeOrOwn(key);
  }
  memory.copy(entry, key, STATS_KEY_BYTES);
  used++;
  return entry;
}
