// What was worked out of a long list, whose backends are in chunks, for its balancing or its
// function: a pick then reads no more than one backend. It is kept until the list has another
// stamp, or others need the room. A short list is looked through at each pick instead.

import { STATUS_OK } from "../abi/codes";
import { allocate, release } from "../abi/memory";
import { KEY_BYTES } from "../wire/layout";
import { readChunks } from "./chunks";
import { backendBytes, backendCount, recordKey, recordStamp, sameKey } from "./record";

const PLACES: u32 = 16;
/** Of all lists of this VM. One list may have more, and is then alone. */
const MOST_BYTES: u32 = 1048576;

/** Where functions look at the list, in place of a BALANCING_. */
export const FOR_FUNCTIONS: u32 = 0;

/** Works out of all backends, each of `bytes`, what `out` has room for. */
export type WorkOut = (list: usize, count: u32, bytes: u32, out: usize) => void;

@unmanaged
class Kept {
  /** What was worked out, of the plugin's heap; 0 for a free place. */
  bytes: usize;
  size: u32;
  stamp: u32;
  /** A BALANCING_, or FOR_FUNCTIONS. */
  use: u32;
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

function isOf(kept: Kept, record: usize, use: u32): bool {
  const key = changetype<usize>(kept) + KEY_OFFSET;
  return kept.bytes !== 0 && kept.use === use && sameKey(key, recordKey(record));
}

function forget(kept: Kept): void {
  release(kept.bytes);
  allBytes -= kept.size;
  used--;
  kept.bytes = 0;
  kept.size = 0;
}

/** Returns what keepFor kept for this very list and use; 0 when there is nothing. */
function keptFor(record: usize, use: u32): usize {
  for (let i: u32 = 0; i < PLACES; i++) {
    const kept = placeAt(i);
    if (!isOf(kept, record, use)) continue;
    if (kept.stamp === recordStamp(record)) {
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
function keepFor(record: usize, use: u32, bytes: usize, size: u32): void {
  while (used === PLACES || (used !== 0 && allBytes + size > MOST_BYTES)) forgetOldest();
  let free: u32 = 0;
  while (placeAt(free).bytes !== 0) free++;
  const kept = placeAt(free);
  kept.bytes = bytes;
  kept.size = size;
  kept.stamp = recordStamp(record);
  kept.use = use;
  kept.usedAt = ++uses;
  memory.copy(changetype<usize>(kept) + KEY_OFFSET, recordKey(record), KEY_BYTES);
  allBytes += size;
  used++;
}

/**
 * Returns the `size` bytes that `workOut` makes of the list, for a BALANCING_ or FOR_FUNCTIONS; 0
 * when the list cannot be read. Valid until the next call.
 */
export function workedOut(record: usize, use: u32, size: u32, workOut: WorkOut): usize {
  const kept = keptFor(record, use);
  if (kept !== 0) return kept;
  const count = backendCount(record);
  const bytes = backendBytes(recordKey(record));
  const list = allocate(count * bytes);
  let made: usize = 0;
  if (readChunks(record, list) === STATUS_OK) {
    made = allocate(size);
    workOut(list, count, bytes, made);
    keepFor(record, use, made, size);
  }
  release(list);
  return made;
}
