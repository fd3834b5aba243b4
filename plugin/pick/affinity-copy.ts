// What one Envoy remembers for session affinity → another one, which replaces it: buckets as they
// are in shared data, in a row, and such a row → buckets where there is nothing yet.
//
//    0          4          8          12
//   +----------+----------+----------+---------+----------+ …
//   | affinity | bucket   | size     | bytes   | bucket   |
//   | version  | u32      | u32      |         | u32      |
//   +----------+----------+----------+---------+----------+ …
//
// The content of the bytes is not checked here: the reader of a bucket trusts nothing in it
// (affinity-bucket.ts), and uses only a backend that the table lists.

import { STATUS_OK } from "../abi/codes";
import { allocate, release, returnedBytes, returnedSize } from "../abi/memory";
import { ABSENT_CAS, readShared, writeShared } from "../host/shared-data";
import { AFFINITY_KEY_BYTES, AFFINITY_VERSION, affinityKey } from "../table/keys";
import { AFFINITY_BUCKET_COUNT } from "../wire/layout";
import { MAX_AFFINITY_BUCKET_BYTES } from "./affinity-bucket";

const VERSION_BYTES: u32 = 4;
const BUCKET_HEADER_BYTES: u32 = 8;
const SIZE_OFFSET: u32 = 4;
const FIRST_CAPACITY: u32 = 4096;

let row: usize = 0;
let rowBytes: u32 = 0;
let capacity: u32 = 0;

/** Returns the row that copyBuckets made; free it with releaseRow. */
export function copiedRow(): usize {
  return row;
}

/** Returns the size of copiedRow in bytes. */
export function copiedBytes(): u32 {
  return rowBytes;
}

/** Frees the row; also after copyBuckets has failed. */
export function releaseRow(): void {
  release(row);
  row = 0;
}

function reserve(bytes: u32): void {
  if (bytes <= capacity) return;
  capacity = max(bytes, capacity * 2);
  const larger = allocate(capacity);
  memory.copy(larger, row, rowBytes);
  release(row);
  row = larger;
}

function addBucket(bucket: u32): bool {
  if (readShared(affinityKey(bucket), AFFINITY_KEY_BYTES) !== STATUS_OK) return false;
  const bytes = returnedBytes();
  const size = returnedSize();
  if (size > 0) {
    reserve(rowBytes + BUCKET_HEADER_BYTES + size);
    const at = row + rowBytes;
    store<u32>(at, bucket);
    store<u32>(at + SIZE_OFFSET, size);
    memory.copy(at + BUCKET_HEADER_BYTES, bytes, size);
    rowBytes += BUCKET_HEADER_BYTES + size;
  }
  release(bytes);
  return true;
}

/** Makes the row of `count` buckets from `first`. False when the host failed. */
export function copyBuckets(first: u32, count: u32): bool {
  row = allocate(FIRST_CAPACITY);
  capacity = FIRST_CAPACITY;
  store<u32>(row, AFFINITY_VERSION);
  rowBytes = VERSION_BYTES;
  for (let bucket = first; bucket < first + count; bucket++) {
    if (!addBucket(bucket)) return false;
  }
  return true;
}

/** Reports whether it is a complete row of this version. */
export function isWholeRow(bytes: usize, size: u32): bool {
  if (size < VERSION_BYTES || load<u32>(bytes) !== AFFINITY_VERSION) return false;
  let at = VERSION_BYTES;
  while (at < size) {
    if (size - at < BUCKET_HEADER_BYTES) return false;
    const bucketSize = load<u32>(bytes + at + SIZE_OFFSET);
    if (load<u32>(bytes + at) >= AFFINITY_BUCKET_COUNT || bucketSize > MAX_AFFINITY_BUCKET_BYTES) {
      return false;
    }
    at += BUCKET_HEADER_BYTES;
    if (size - at < bucketSize) return false;
    at += bucketSize;
  }
  return true;
}

/** Takes over a complete row. A non-empty bucket keeps its content, which is newer. */
export function takeRow(bytes: usize, size: u32): void {
  let at = VERSION_BYTES;
  while (at < size) {
    const bucketSize = load<u32>(bytes + at + SIZE_OFFSET);
    const value = bytes + at + BUCKET_HEADER_BYTES;
    const key = affinityKey(load<u32>(bytes + at));
    writeShared(key, AFFINITY_KEY_BYTES, value, bucketSize, ABSENT_CAS);
    at += BUCKET_HEADER_BYTES + bucketSize;
  }
}
