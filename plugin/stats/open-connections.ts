// The open connections of this VM: what must be known of each when it ends, by its context. A hash
// table with linear probing that doubles when it is three quarters full.
//
//    0         4         8           16       44
//   +---------+---------+-----------+--------+------+
//   | context | zero    | opened at | key    | zero |
//   | u32     |         | u64, ns   | 28     |      |
//   +---------+---------+-----------+--------+------+

import { allocate, release } from "../abi/memory";
import { STATS_KEY_BYTES } from "../wire/stats-layout";

const SLOT_BYTES: u32 = 48;
const OPENED_AT_OFFSET: u32 = 8;
const KEY_OFFSET: u32 = 16;
const FIRST_SLOTS: u32 = 64;
/** 2^32 divided by the golden ratio: contexts have consecutive numbers. */
const HASH_FACTOR: u32 = 0x9e3779b1;

let slots: usize = 0;
/** A power of two; 0 before the first connection. */
let slotCount: u32 = 0;
let used: u32 = 0;

function homeOf(context: u32): u32 {
  return (context * HASH_FACTOR) >> (32 - ctz<u32>(slotCount));
}

function slotAt(index: u32): usize {
  return slots + (index & (slotCount - 1)) * SLOT_BYTES;
}

/** Returns the index of the context's slot, or of the free one for it. Contexts are never 0. */
function indexOf(context: u32): u32 {
  let index = homeOf(context);
  let found = load<u32>(slotAt(index));
  while (found !== context && found !== 0) found = load<u32>(slotAt(++index));
  return index & (slotCount - 1);
}

function grow(): void {
  const old = slots;
  const oldCount = slotCount;
  slotCount = max(FIRST_SLOTS, oldCount * 2);
  slots = allocate(slotCount * SLOT_BYTES);
  memory.fill(slots, 0, slotCount * SLOT_BYTES);
  for (let i: u32 = 0; i < oldCount; i++) {
    const slot = old + i * SLOT_BYTES;
    const context = load<u32>(slot);
    if (context !== 0) memory.copy(slotAt(indexOf(context)), slot, SLOT_BYTES);
  }
  release(old);
}

/** Notes an open connection: its opening time (ns), and the key under which it counts. */
export function addOpen(context: u32, openedAt: u64, key: usize): void {
  if (used * 4 >= slotCount * 3) grow();
  const slot = slotAt(indexOf(context));
  store<u32>(slot, context);
  store<u64>(slot + OPENED_AT_OFFSET, openedAt);
  memory.copy(slot + KEY_OFFSET, key, STATS_KEY_BYTES);
  used++;
}

/** Copies the key, returns the opening time, and forgets it; 0 when the context has none. */
export function takeOpen(context: u32, key: usize): u64 {
  if (used === 0) return 0;
  const index = indexOf(context);
  const slot = slotAt(index);
  if (load<u32>(slot) === 0) return 0;
  const openedAt = load<u64>(slot + OPENED_AT_OFFSET);
  memory.copy(key, slot + KEY_OFFSET, STATS_KEY_BYTES);
  used--;
  closeGap(index);
  return openedAt;
}

/** Frees a slot, and moves later ones that would not be found any more (Knuth 6.4, R). */
function closeGap(gap: u32): void {
  const mask = slotCount - 1;
  let index = (gap + 1) & mask;
  let context = load<u32>(slotAt(index));
  while (context !== 0) {
    // One at least as far from its home as from the gap may move there.
    if (((index - homeOf(context)) & mask) >= ((index - gap) & mask)) {
      memory.copy(slotAt(gap), slotAt(index), SLOT_BYTES);
      gap = index;
    }
    index = (index + 1) & mask;
    context = load<u32>(slotAt(index));
  }
  store<u32>(slotAt(gap), 0);
}
