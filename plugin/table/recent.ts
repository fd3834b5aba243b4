// Number of a bucket → its bytes: from shared data or, while the table has not changed, as this VM
// read them for an earlier connection. It does not look into them.
//
// A read of shared data that returns bytes costs Envoy 1.4 µs, nearly all for calling `malloc`, and
// one that returns none 0.3 µs. So the table has a mark in shared data, a key whose value is always
// empty: each push writes it, which changes its compare-and-set number. A push writes buckets, then
// the mark, and is then acknowledged; a connection reads the mark, then a bucket. So a bucket is at
// least as new as the mark with which it is kept, and a connection that comes after an
// acknowledgement sees what was pushed.

import { STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { ABSENT_CAS, ANY_CAS, readShared, returnedCas, writeShared } from "../host/shared-data";
import { BUCKET_KEY_BYTES, bucketKey, MARK_KEY_BYTES, markKey } from "./keys";

/** A power of two. With MOST_BYTES, a VM keeps at most 1 MB. */
const SLOTS: u32 = 512;
/** Larger buckets are read anew for each connection. */
const MOST_BYTES: u32 = 2048;

@unmanaged
class Slot {
  /** Kept bytes, of the plugin's heap; 0 for an empty bucket. */
  bytes: usize;
  size: u32;
  bucket: u32;
  /** ABSENT_CAS and 0 are no marks: nothing is kept. */
  mark: u32;
}

const slots: usize = memory.data(SLOTS * offsetof<Slot>(), 8);
let bytes: usize = 0;
let size: u32 = 0;
let isKept: bool = false;

/** Returns the bucket's bytes; 0 when it is empty. Valid until releaseBucket. */
export function readBytes(): usize {
  return bytes;
}

/** Returns the bucket's size. */
export function readSize(): u32 {
  return size;
}

/** Notes that the table has changed; after the buckets. */
export function markChange(): u32 {
  return writeShared(markKey(), MARK_KEY_BYTES, 0, 0, ANY_CAS);
}

/** Returns the mark's number; 0 when there is none, or the host fails. */
function presentMark(): u32 {
  if (readShared(markKey(), MARK_KEY_BYTES) !== STATUS_OK) return 0;
  release(returnedBytes());
  return returnedCas() === ABSENT_CAS ? 0 : returnedCas();
}

function slotOf(bucket: u32): Slot {
  return changetype<Slot>(slots + (bucket & (SLOTS - 1)) * offsetof<Slot>());
}

function keep(slot: Slot, bucket: u32, mark: u32): void {
  release(slot.bytes);
  slot.bytes = bytes;
  slot.size = size;
  slot.bucket = bucket;
  slot.mark = mark;
  isKept = true;
}

/**
 * Reads a bucket; returns a status. `again`: a connection just found that what it read is outdated,
 * so nothing that is kept counts.
 */
export function readBucket(bucket: u32, again: bool): u32 {
  const mark = presentMark();
  const slot = slotOf(bucket);
  isKept = mark !== 0 && !again && slot.mark === mark && slot.bucket === bucket;
  if (isKept) {
    bytes = slot.bytes;
    size = slot.size;
    return STATUS_OK;
  }
  const status = readShared(bucketKey(bucket), BUCKET_KEY_BYTES);
  bytes = returnedBytes();
  size = returnedSize();
  if (status === STATUS_OK && mark !== 0 && size <= MOST_BYTES) keep(slot, bucket, mark);
  return status;
}

/** Ends the use of what readBucket read. */
export function releaseBucket(): void {
  if (!isKept) release(bytes);
  bytes = 0;
}
