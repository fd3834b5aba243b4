// A frame's bytes → whether it may be applied, judging by the frame alone. Everything is checked
// here before anything is applied; apply.ts checks what depends on the table.

import {
  BUCKET_COUNT,
  FRAME_BASE_VERSION_OFFSET,
  FRAME_BUCKET_COUNT_OFFSET,
  FRAME_FIRST_BUCKET_OFFSET,
  FRAME_HEADER_BYTES,
  FRAME_KIND_DELTA,
  FRAME_KIND_OFFSET,
  FRAME_KIND_SNAPSHOT,
  FRAME_MAGIC,
  FRAME_REMOVAL_COUNT_OFFSET,
  FRAME_RESERVED_OFFSET,
  FRAME_VERSION_OFFSET,
  FRAME_WIRE_VERSION_OFFSET,
  KEY_BYTES,
  MAX_BUCKET_BYTES,
  WIRE_VERSION,
} from "../wire/layout";
import { checkRecord, checkRemoval } from "./check-record";
import {
  baseVersion,
  bucketCount,
  firstBucket,
  frameVersion,
  isSnapshot,
  removalCount,
  upsertCount,
} from "./frame";
import { bucketOfKey, compareInFrame, compareKeys, recordBytes, recordKey } from "./record";
import { refuse, refuseOver } from "./refusal";

/** A version is a JSON number in the table endpoint's answers. */
const MAX_VERSION: u64 = (1 << 53) - 1;

// Where the upserts end and the removals start.
let upsertsEnd: usize = 0;

/** Returns the address of the removals of the frame that was checked last. */
export function checkedRemovals(): usize {
  return upsertsEnd;
}

function checkIdentity(frame: usize, size: u32): bool {
  if (size < FRAME_HEADER_BYTES) return refuse("frame is cut short, bytes:", size, 0);
  const magic = load<u32>(frame);
  if (magic !== FRAME_MAGIC) return refuse("magic number is", magic, 0);
  const wire = load<u16>(frame + FRAME_WIRE_VERSION_OFFSET);
  if (wire !== WIRE_VERSION) {
    return refuse("wire version is not the plugin's:", wire, FRAME_WIRE_VERSION_OFFSET);
  }
  const kind: u32 = load<u8>(frame + FRAME_KIND_OFFSET);
  if (kind !== FRAME_KIND_SNAPSHOT && kind !== FRAME_KIND_DELTA) {
    return refuse("kind of frame is unknown:", kind, FRAME_KIND_OFFSET);
  }
  const reserved = load<u8>(frame + FRAME_RESERVED_OFFSET);
  return reserved === 0 || refuse("reserved byte is", reserved, FRAME_RESERVED_OFFSET);
}

function checkSnapshotHeader(frame: usize): bool {
  const base = baseVersion(frame);
  if (base !== 0) return refuse("snapshot's base version is", base, FRAME_BASE_VERSION_OFFSET);
  const first = firstBucket(frame);
  if (first >= BUCKET_COUNT) return refuse("first bucket is", first, FRAME_FIRST_BUCKET_OFFSET);
  const count = bucketCount(frame);
  if (count === 0 || count > BUCKET_COUNT - first) {
    return refuse("bucket count is", count, FRAME_BUCKET_COUNT_OFFSET);
  }
  const removals = removalCount(frame);
  return (
    removals === 0 || refuse("snapshot's removal count is", removals, FRAME_REMOVAL_COUNT_OFFSET)
  );
}

function checkDeltaHeader(frame: usize): bool {
  const base = baseVersion(frame);
  if (base === 0 || base >= frameVersion(frame)) {
    return refuse("base version is 0 or not below the version:", base, FRAME_BASE_VERSION_OFFSET);
  }
  const first = firstBucket(frame);
  if (first !== 0) return refuse("delta's first bucket is", first, FRAME_FIRST_BUCKET_OFFSET);
  const count = bucketCount(frame);
  return count === 0 || refuse("delta's bucket count is", count, FRAME_BUCKET_COUNT_OFFSET);
}

function checkHeader(frame: usize, size: u32): bool {
  if (!checkIdentity(frame, size)) return false;
  const version = frameVersion(frame);
  if (version === 0 || version > MAX_VERSION) {
    return refuse("version is 0 or over 2^53 - 1:", version, FRAME_VERSION_OFFSET);
  }
  return isSnapshot(frame) ? checkSnapshotHeader(frame) : checkDeltaHeader(frame);
}

/** Checks the upserts, their order, and in a snapshot that each is in one of its buckets. */
function checkUpserts(frame: usize, size: u32): bool {
  const snapshot = isSnapshot(frame);
  const endBucket = snapshot ? firstBucket(frame) + bucketCount(frame) : BUCKET_COUNT;
  const count = upsertCount(frame);
  let offset = FRAME_HEADER_BYTES;
  let previous: usize = 0;
  let bucket = snapshot ? firstBucket(frame) : 0;
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const record = frame + offset;
    if (!checkRecord(record, offset, size - offset)) return false;
    const own = bucketOfKey(recordKey(record));
    if (own < bucket || own >= endBucket) {
      return refuse("record is out of order, or not in the frame's buckets; bucket", own, offset);
    }
    if (own === bucket && previous !== 0 && compareKeys(previous, recordKey(record)) >= 0) {
      return refuse("records are not in ascending order, index", i, offset);
    }
    sum = own === bucket ? sum + recordBytes(record) : recordBytes(record);
    if (sum > MAX_BUCKET_BYTES) {
      return refuseOver("MAX_BUCKET_BYTES", MAX_BUCKET_BYTES, "bucket's bytes", sum, offset);
    }
    bucket = own;
    previous = recordKey(record);
    offset += recordBytes(record);
  }
  upsertsEnd = frame + offset;
  return true;
}

/** Checks every removal, their order, and that none is also in the upserts. */
function checkRemovals(frame: usize, size: u32): bool {
  const count = removalCount(frame);
  let upsert = frame + FRAME_HEADER_BYTES;
  for (let i: u32 = 0; i < count; i++) {
    const key = upsertsEnd + i * KEY_BYTES;
    const offset = <u32>(key - frame);
    if (!checkRemoval(key, offset, size - offset)) return false;
    if (i > 0 && compareInFrame(key - KEY_BYTES, key) >= 0) {
      return refuse("removals are not in ascending order, index", i, offset);
    }
    while (upsert < upsertsEnd && compareInFrame(recordKey(upsert), key) < 0) {
      upsert += recordBytes(upsert);
    }
    if (upsert < upsertsEnd && compareKeys(recordKey(upsert), key) === 0) {
      return refuse("key is both upserted and removed, index", i, offset);
    }
  }
  const end = <u32>(upsertsEnd - frame) + count * KEY_BYTES;
  return end === size || refuse("bytes after the end of the frame:", size - end, end);
}

/** Reports whether the frame may be applied; if not, refusal.ts has the reason. */
export function checkFrame(frame: usize, size: u32): bool {
  return checkHeader(frame, size) && checkUpserts(frame, size) && checkRemovals(frame, size);
}
