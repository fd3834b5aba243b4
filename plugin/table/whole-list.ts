// What a balancing has worked out of a long list, whose backends are in chunks, by its stamp: a
// pick then reads no more than one backend. It is kept until the list changes, or others need the
// room. A short list is looked through at each pick instead.

import { STATUS_OK } from "../abi/codes";
import { allocate, release } from "../abi/memory";
import { KEY_BYTES } from "../wire/layout";
import { readChunks } from "./chunks";
import { backendBytes, backendCount, balancing, recordKey, recordStamp, sameKey } from "./record";

const PLACES: u32 = 16;
/** Of all lists of this VM. One list may have more, and is then alone. */
const MOST_BYTES: u32 = 1048576;

@unmanaged
class Kept {
  /** What was worked out, of the plugin's heap; 0 for a free place. */
  bytes: usize;
  size: u32;
  stamp: u32;
  balancing: u32;
  /** Number of its last use. */
  usedAt: u32;
}
const KEY_OFFSET: u32 = offsetof<Kept>();
const PLACE_BYTES: u32 = KEY_OFFSET + KEY_BYTES;

const places: usize = memory.data(PLACES * PLACE_BYTES, 8);
let uses: u32 = 0;
let used: u32 = 0;
let allBytes: u32 = 0;

function placeAt(index: u32): Kept {
  return changetype<Kept>(places + index * PLACE_BYTES);
}

function isOf(kept: Kept, record: usize): bool {
  return kept.bytes !== 0 && sameKey(changetype<usize>(kept) + KEY_OFFSET, recordKey(record));
}

function forget(kept: Kept): void {
  release(kept.bytes);
  allBytes -= kept.size;
  used--;
  kept.bytes = 0;
  kept.size = 0;
}

/** Returns what keepFor kept for this very list and balancing; 0 when there is nothing. */
export function keptFor(record: usize): usize {
  for (let i: u32 = 0; i < PLACES; i++) {
    const kept = placeAt(i);
    if (!isOf(kept, record)) continue;
    if (kept.stamp === recordStamp(record) && kept.balancing === balancing(record)) {
      kept.usedAt = ++uses;
      return kept.bytes;
    }
    forget(kept);
  }
  return 0;
}

/** Forgets the one that was used least recently; there is one. */
function forgetOldest(): void {
  let oldest = placeAt(0);
  for (let i: u32 = 1; i < PLACES; i++) {
    const kept = placeAt(i);
    if (oldest.bytes === 0 || (kept.bytes !== 0 && kept.usedAt < oldest.usedAt)) oldest = kept;
  }
  forget(oldest);
}

/** Keeps bytes of the plugin's heap for this list, for which there is nothing yet. */
export function keepFor(record: usize, bytes: usize, size: u32): void {
  while (used === PLACES || (used !== 0 && allBytes + size > MOST_BYTES)) forgetOldest();
  let free: u32 = 0;
  while (placeAt(free).bytes !== 0) free++;
  const kept = placeAt(free);
  kept.bytes = bytes;
  kept.size = size;
  kept.stamp = recordStamp(record);
  kept.balancing = balancing(record);
  kept.usedAt = ++uses;
  memory.copy(changetype<usize>(kept) + KEY_OFFSET, recordKey(record), KEY_BYTES);
  allBytes += size;
  used++;
}

/** Returns a copy of all backends, to be released; 0 when they cannot be read as one list. */
export function copyList(record: usize): usize {
  const list = allocate(backendCount(record) * backendBytes(recordKey(record)));
  if (readChunks(record, list) === STATUS_OK) return list;
  release(list);
  return 0;
}
