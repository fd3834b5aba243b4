// A frame → the changed table in shared data; or the reason why not, and then nothing changes. Each
// bucket is replaced in one write, so a connection, which reads one bucket, sees its frontend
// either in the old form or in the new.

import { STATUS_CAS_MISMATCH, STATUS_OK } from "../abi/codes";
import { allocate, release, returnedBytes, returnedSize } from "../abi/memory";
import { ANY_CAS, readShared, writeShared } from "../host/shared-data";
import {
  BUCKET_COUNT,
  FRAME_HEADER_BYTES,
  FRAME_UPSERT_COUNT_OFFSET,
  KEY_BYTES,
  MAX_BUCKET_BYTES,
  MAX_FRONTENDS,
} from "../wire/layout";
import { checkedRemovals, checkFrame } from "./check";
import {
  baseVersion,
  bucketCount,
  firstBucket,
  frameVersion,
  isSnapshot,
  upsertCount,
} from "./frame";
import { head, isTaken, readHead, settleHead, takeHead } from "./head";
import { BUCKET_KEY_BYTES, bucketKey } from "./keys";
import { bucketChange, emptyRetired, mergeBucket } from "./merge";
import { markChange } from "./recent";
import { bucketOfKey, recordBytes, recordKey } from "./record";
import { refuseOver } from "./refusal";

export const APPLIED: u32 = 0;
/** The frame is invalid, or exceeds a limit: refusal.ts has the reason. */
export const REFUSED: u32 = 1;
/** It does not follow the table's version, head().version; or another push is under way. */
export const CONFLICT: u32 = 2;
/** The host failed. */
export const FAILED: u32 = 3;

/** Reports whether the frame follows the head that was read. */
function follows(frame: usize): bool {
  if (isTaken()) return false;
  if (!isSnapshot(frame)) return head().version === baseVersion(frame);
  if (firstBucket(frame) === 0) return true;
  return head().loadingVersion === frameVersion(frame) && head().nextBucket === firstBucket(frame);
}

/** Reads the bucket into the change, merges it, and writes it if `write`. Returns a status. */
function changeBucket(bucket: u32, write: bool): u32 {
  const change = bucketChange();
  let status = readShared(bucketKey(bucket), BUCKET_KEY_BYTES);
  if (status !== STATUS_OK) return status;
  const old = returnedBytes();
  const upsertBytes = <u32>(change.upsertsEnd - change.upserts);
  change.old = old;
  change.oldEnd = old + returnedSize();
  change.target = write ? allocate(returnedSize() + upsertBytes) : 0;
  mergeBucket();
  if (write && (old !== 0 || upsertBytes > 0)) {
    status = change.status;
    if (status === STATUS_OK) {
      const key = bucketKey(bucket);
      status = writeShared(key, BUCKET_KEY_BYTES, change.target, change.targetBytes, ANY_CAS);
    }
    if (status === STATUS_OK) emptyRetired();
  }
  release(change.target);
  release(old);
  return status;
}

/** Returns the bucket of a delta's next upsert or removal; BUCKET_COUNT after the last. */
function nextBucket(upsert: usize, upsertsEnd: usize, removal: usize, removalsEnd: usize): u32 {
  const byUpsert = upsert < upsertsEnd ? bucketOfKey(recordKey(upsert)) : BUCKET_COUNT;
  const byRemoval = removal < removalsEnd ? bucketOfKey(removal) : BUCKET_COUNT;
  return min(byUpsert, byRemoval);
}

/** Results of measuring the whole delta. */
let growth: i64 = 0;

/** Adds a measured bucket; returns false when it exceeds its limit. */
function addMeasure(frame: usize, upserts: usize): bool {
  const change = bucketChange();
  growth += change.growth;
  if (change.frameBytes <= MAX_BUCKET_BYTES) return true;
  const at = upserts - frame;
  return refuseOver("MAX_BUCKET_BYTES", MAX_BUCKET_BYTES, "bucket's bytes", change.frameBytes, at);
}

/** Measures or writes each of the frame's buckets. */
function changeBuckets(frame: usize, size: u32, write: bool): u32 {
  const change = bucketChange();
  const snapshot = isSnapshot(frame);
  const upsertsEnd = checkedRemovals();
  const removalsEnd = frame + size;
  const endBucket = snapshot ? firstBucket(frame) + bucketCount(frame) : BUCKET_COUNT;
  let upsert = frame + FRAME_HEADER_BYTES;
  let removal = upsertsEnd;
  let bucket = firstBucket(frame);
  if (!snapshot) bucket = nextBucket(upsert, upsertsEnd, removal, removalsEnd);
  change.snapshot = snapshot ? 1 : 0;
  change.stamp = head().stamp;
  while (bucket < endBucket) {
    const firstUpsert = upsert;
    change.upserts = upsert;
    while (upsert < upsertsEnd && bucketOfKey(recordKey(upsert)) === bucket) {
      upsert += recordBytes(upsert);
    }
    change.upsertsEnd = upsert;
    change.removals = removal;
    while (removal < removalsEnd && bucketOfKey(removal) === bucket) removal += KEY_BYTES;
    change.removalsEnd = removal;
    if (changeBucket(bucket, write) !== STATUS_OK) return FAILED;
    if (!write && !addMeasure(frame, firstUpsert)) return REFUSED;
    if (snapshot) bucket++;
    else bucket = nextBucket(upsert, upsertsEnd, removal, removalsEnd);
  }
  return APPLIED;
}

/** Checks the limits of the resulting table. */
function measure(frame: usize, size: u32): u32 {
  let count: i64 = upsertCount(frame);
  if (isSnapshot(frame)) {
    if (firstBucket(frame) !== 0) count += head().loadingCount;
  } else {
    growth = 0;
    const outcome = changeBuckets(frame, size, false);
    if (outcome !== APPLIED) return outcome;
    count = growth + head().frontendCount;
  }
  if (count <= <i64>MAX_FRONTENDS) return APPLIED;
  refuseOver("MAX_FRONTENDS", MAX_FRONTENDS, "frontends", count, FRAME_UPSERT_COUNT_OFFSET);
  return REFUSED;
}

/** Updates the head's fields after a frame of a snapshot is applied. */
function advance(frame: usize): void {
  const current = head();
  current.nextBucket = firstBucket(frame) + bucketCount(frame);
  current.loadingCount += upsertCount(frame);
  if (current.nextBucket < BUCKET_COUNT) return;
  current.version = frameVersion(frame);
  current.frontendCount = current.loadingCount;
  beginLoading(0);
}

/** Version 0: no snapshot is being loaded. */
function beginLoading(version: u64): void {
  head().loadingVersion = version;
  head().nextBucket = 0;
  head().loadingCount = 0;
}

function take(frame: usize): u32 {
  if (isSnapshot(frame) && firstBucket(frame) === 0) beginLoading(frameVersion(frame));
  const status = takeHead();
  if (status === STATUS_OK) return APPLIED;
  return status === STATUS_CAS_MISMATCH && readHead() === STATUS_OK ? CONFLICT : FAILED;
}

/**
 * Applies a frame: APPLIED, REFUSED (refusal.ts has why), CONFLICT (head().version is what the
 * table has), or FAILED. Only FAILED may leave the table changed, and then without its version.
 */
export function applyFrame(frame: usize, size: u32): u32 {
  if (!checkFrame(frame, size)) return REFUSED;
  if (readHead() !== STATUS_OK) return FAILED;
  if (!follows(frame)) return CONFLICT;
  let outcome = measure(frame, size);
  if (outcome === APPLIED) outcome = take(frame);
  if (outcome !== APPLIED) return outcome;
  // If only a part was written, the version stays 0, as after a VM that died.
  outcome = changeBuckets(frame, size, true);
  if (markChange() !== STATUS_OK) outcome = FAILED;
  if (outcome === APPLIED) {
    if (isSnapshot(frame)) {
      advance(frame);
    } else {
      head().version = frameVersion(frame);
      head().frontendCount += <u32>growth;
    }
  }
  return settleHead() === STATUS_OK ? outcome : FAILED;
}
