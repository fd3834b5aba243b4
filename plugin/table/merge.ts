// A bucket's content, and a frame's upserts and removals for it → its new content. All three are in
// ascending order of keys. Used twice: to measure, before anything is applied, and to write. Long
// lists go into chunks on the way; the caller reads and writes the bucket itself.

import { STATUS_OK } from "../abi/codes";
import {
  KEY_BYTES,
  RECORD_BYTES_OFFSET,
  RECORD_FLAGS_OFFSET,
  RECORD_HEADER_BYTES,
  RECORD_STAMP_OFFSET,
} from "../wire/layout";
import { emptyChunks, writeChunks } from "./chunks";
import {
  addFlags,
  backendCount,
  compareKeys,
  FLAG_CHUNKED,
  FLAG_GENERATION,
  FLAG_RETIRED,
  firstRecord,
  frameBytes,
  generation,
  isChunked,
  MAX_INLINE_BACKENDS,
  nameBytes,
  nextRecord,
  recordBytes,
  recordFlags,
  recordKey,
  sameKey,
} from "./record";

/** One bucket's change: addresses of the first byte and of the one after the last. */
@unmanaged
export class Change {
  /** A copy of the bucket's value, in which removed records are marked. Both 0 when it is empty. */
  old: usize;
  oldEnd: usize;
  upserts: usize;
  upsertsEnd: usize;
  removals: usize;
  removalsEnd: usize;
  /** Room for the bytes of old and of the upserts; 0 to measure only. */
  target: usize;
  /** The stamp of the lists that are written. */
  stamp: u32;
  /** 1 when no old record is kept. */
  snapshot: u32;

  // Results.

  /** Bytes written at target. */
  targetBytes: u32;
  /** Size of the merged bucket in a frame. */
  frameBytes: u64;
  /** Frontends added minus frontends removed. */
  growth: i32;
  /** STATUS_OK when the host took all chunks, or its status. */
  status: u32;
}

const change = changetype<Change>(memory.data(offsetof<Change>(), 8));

/** Returns the only one: a VM changes one bucket at a time. */
export function bucketChange(): Change {
  return change;
}

function keep(record: usize): void {
  change.frameBytes += frameBytes(record);
  if (change.target === 0) return;
  memory.copy(change.target + change.targetBytes, record, recordBytes(record));
  change.targetBytes += recordBytes(record);
}

/** Writes the record without its backends, and those into chunks. `old`: 0, or the replaced one. */
function storeLong(record: usize, old: usize): void {
  const stored = change.target + change.targetBytes;
  const names = nameBytes(record);
  const bytes = RECORD_HEADER_BYTES + names;
  memory.copy(stored, record, RECORD_HEADER_BYTES);
  memory.copy(stored + RECORD_HEADER_BYTES, record + recordBytes(record) - names, names);
  const other = old !== 0 && isChunked(old) && generation(old) === 0;
  store<u32>(stored + RECORD_BYTES_OFFSET, bytes);
  store<u8>(stored + RECORD_FLAGS_OFFSET, other ? FLAG_CHUNKED | FLAG_GENERATION : FLAG_CHUNKED);
  store<u32>(stored + RECORD_STAMP_OFFSET, change.stamp);
  const status = writeChunks(stored, record + RECORD_HEADER_BYTES);
  if (status !== STATUS_OK) change.status = status;
  change.targetBytes += bytes;
  change.frameBytes += frameBytes(stored);
}

function upsert(record: usize, old: usize): void {
  if (old === 0) change.growth++;
  else addFlags(old, FLAG_RETIRED);
  if (change.target !== 0 && backendCount(record) > MAX_INLINE_BACKENDS) storeLong(record, old);
  else keep(record);
}

function keepUnlessRemoved(record: usize): void {
  const key = recordKey(record);
  while (change.removals < change.removalsEnd && compareKeys(change.removals, key) < 0) {
    change.removals += KEY_BYTES;
  }
  const listed = change.removals < change.removalsEnd && sameKey(change.removals, key);
  if (change.snapshot === 0 && !listed) {
    keep(record);
    return;
  }
  addFlags(record, FLAG_RETIRED);
  change.growth--;
}

/** Merges; uses up upserts and removals. */
export function mergeBucket(): void {
  change.targetBytes = 0;
  change.frameBytes = 0;
  change.growth = 0;
  change.status = STATUS_OK;
  const end = change.oldEnd;
  let record = firstRecord(change.old, end);
  while (record < end || change.upserts < change.upsertsEnd) {
    let order: i32 = record < end ? -1 : 1;
    if (record < end && change.upserts < change.upsertsEnd) {
      order = compareKeys(recordKey(record), recordKey(change.upserts));
    }
    if (order < 0) {
      keepUnlessRemoved(record);
    } else {
      upsert(change.upserts, order === 0 ? record : 0);
      change.upserts += recordBytes(change.upserts);
    }
    if (order <= 0) record = nextRecord(record, end);
  }
}

/** Empties the chunks that only the old bucket named, once the merged one is written. */
export function emptyRetired(): void {
  const end = change.oldEnd;
  let record = firstRecord(change.old, end);
  while (record < end) {
    if (isChunked(record) && (recordFlags(record) & FLAG_RETIRED) !== 0) emptyChunks(record);
    record = nextRecord(record, end);
  }
}
