// What this VM has counted since its last flush: a small hash table of entries, in the form of the
// pages, added to them every second while something happens, and immediately when it is full. So a
// connection costs no access to shared data, and an idle node has no ticks.

import { allocate } from "../abi/memory";
import { statsLostTotal } from "../counters";
import { count } from "../host/counter";
import { tickEvery, tickPeriod } from "../host/ticks";
import { hashBytes } from "../table/record";
import { HASH_OFFSET_BASIS } from "../wire/layout";
import { STATS_ENTRY_BYTES, STATS_KEY_BYTES } from "../wire/stats-layout";
import { mergeEntry } from "./pages";

const FLUSH_MILLISECONDS: u32 = 1000;
const FLUSH_NANOSECONDS: u64 = 1000000000;
const SLOTS: u32 = 256; // a power of two
const MOST_USED: u32 = 192;

/** SLOTS entries; a free one has service id 0. Allocated at the first count. */
let slots: usize = 0;
let used: u32 = 0;
let flushedAt: u64 = 0;

/** Adds everything to the pages: also when ticks end with their root context. */
export function flush(): void {
  if (used === 0) return;
  for (let i: u32 = 0; i < SLOTS; i++) {
    const entry = slots + i * STATS_ENTRY_BYTES;
    if (load<u64>(entry) !== 0 && !mergeEntry(entry)) count(statsLostTotal);
  }
  memory.fill(slots, 0, SLOTS * STATS_ENTRY_BYTES);
  used = 0;
}

/** Flushes in a tick, once a second. Returns the ticks that it needs, ms; 0 for none. */
export function flushByTick(now: u64): u32 {
  if (used === 0) return 0;
  if (tickPeriod() < FLUSH_MILLISECONDS && now - flushedAt < FLUSH_NANOSECONDS) {
    return FLUSH_MILLISECONDS;
  }
  flushedAt = now;
  flush();
  return 0;
}

function slotAt(index: u32): usize {
  return slots + (index & (SLOTS - 1)) * STATS_ENTRY_BYTES;
}

/** Returns the slot of this key, or the free one for it. */
function freeOrOwn(key: usize): usize {
  let index = hashBytes(key, STATS_KEY_BYTES, HASH_OFFSET_BASIS);
  let entry = slotAt(index);
  while (load<u64>(entry) !== 0 && memory.compare(entry, key, STATS_KEY_BYTES) !== 0) {
    entry = slotAt(++index);
  }
  return entry;
}

/** Returns the entry to count in; valid until the next call. The key's service id is not 0. */
export function countedEntry(key: usize): usize {
  if (slots === 0) {
    slots = allocate(SLOTS * STATS_ENTRY_BYTES);
    memory.fill(slots, 0, SLOTS * STATS_ENTRY_BYTES);
  }
  tickEvery(FLUSH_MILLISECONDS);
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
