// A map from contexts to what must be known of each when it ends: a hash table with linear probing
// that doubles when it is three quarters full. Each slot begins with its context, u32; 0 is free.

import { allocate, release } from "../abi/memory";
import { enterContext } from "./context";

const FIRST_SLOTS: u32 = 64;
/** 2^32 divided by the golden ratio: contexts have consecutive numbers. */
const HASH_FACTOR: u32 = 0x9e3779b1;

/** Starts as zeros, but for slotBytes, which is constant. */
@unmanaged
export class ContextMap {
  slots: usize;
  /** A power of two; 0 before the first context. */
  slotCount: u32;
  used: u32;
  slotBytes: u32;
}

function homeOf(map: ContextMap, context: u32): u32 {
  return (context * HASH_FACTOR) >> (32 - ctz<u32>(map.slotCount));
}

function slotAt(map: ContextMap, index: u32): usize {
  return map.slots + (index & (map.slotCount - 1)) * map.slotBytes;
}

/** Returns the index of the context's slot, or of the free one for it. Contexts are never 0. */
function indexOf(map: ContextMap, context: u32): u32 {
  let index = homeOf(map, context);
  let found = load<u32>(slotAt(map, index));
  while (found !== context && found !== 0) found = load<u32>(slotAt(map, ++index));
  return index & (map.slotCount - 1);
}

function grow(map: ContextMap): void {
  const old = map.slots;
  const oldCount = map.slotCount;
  map.slotCount = max(FIRST_SLOTS, oldCount * 2);
  map.slots = allocate(map.slotCount * map.slotBytes);
  memory.fill(map.slots, 0, map.slotCount * map.slotBytes);
  for (let i: u32 = 0; i < oldCount; i++) {
    const slot = old + i * map.slotBytes;
    const context = load<u32>(slot);
    if (context !== 0) memory.copy(slotAt(map, indexOf(map, context)), slot, map.slotBytes);
  }
  release(old);
}

/** Returns the slot of a context that is not in the map yet; what follows the context is old. */
export function addContext(map: ContextMap, context: u32): usize {
  if (map.used * 4 >= map.slotCount * 3) grow(map);
  const slot = slotAt(map, indexOf(map, context));
  store<u32>(slot, context);
  map.used++;
  return slot;
}

/** Returns the context's slot, for reading; 0 when it is not in the map. */
export function slotOfContext(map: ContextMap, context: u32): usize {
  if (map.used === 0) return 0;
  const slot = slotAt(map, indexOf(map, context));
  return load<u32>(slot) === 0 ? 0 : slot;
}

/** Enters some context of the map that has not ended; false when there is none. */
export function enterSome(map: ContextMap): bool {
  for (let i: u32 = 0; i < map.slotCount; i++) {
    const context = load<u32>(slotAt(map, i));
    if (context !== 0 && enterContext(context)) return true;
  }
  return false;
}

/** Removes the context with this slot, and moves later ones that would not be found any more. */
export function removeContext(map: ContextMap, slot: usize): void {
  map.used--;
  const mask = map.slotCount - 1;
  let gap = <u32>(slot - map.slots) / map.slotBytes;
  let index = (gap + 1) & mask;
  let context = load<u32>(slotAt(map, index));
  // Knuth 6.4, R: one at least as far from its home as from the gap may move there.
  while (context !== 0) {
    if (((index - homeOf(map, context)) & mask) >= ((index - gap) & mask)) {
      memory.copy(slotAt(map, gap), slotAt(map, index), map.slotBytes);
      gap = index;
    }
    index = (index + 1) & mask;
    context = load<u32>(slotAt(map, index));
  }
  store<u32>(slotAt(map, gap), 0);
}
