// The header of a frame, by its address.

import {
  FRAME_BASE_VERSION_OFFSET,
  FRAME_BUCKET_COUNT_OFFSET,
  FRAME_FIRST_BUCKET_OFFSET,
  FRAME_HEADER_BYTES,
  FRAME_KIND_OFFSET,
  FRAME_KIND_SNAPSHOT,
  FRAME_MAGIC,
  FRAME_REMOVAL_COUNT_OFFSET,
  FRAME_UPSERT_COUNT_OFFSET,
  FRAME_VERSION_OFFSET,
  FRAME_WIRE_VERSION_OFFSET,
  WIRE_VERSION,
} from "../wire/layout";

/** Returns whether the frame is a snapshot's; else it is a delta. */
export function isSnapshot(frame: usize): bool {
  return load<u8>(frame + FRAME_KIND_OFFSET) === FRAME_KIND_SNAPSHOT;
}

/** Returns the version that a delta starts from; 0 in a snapshot. */
export function baseVersion(frame: usize): u64 {
  return load<u64>(frame + FRAME_BASE_VERSION_OFFSET);
}

/** Returns the version that the table has after the frame, or after the snapshot's last. */
export function frameVersion(frame: usize): u64 {
  return load<u64>(frame + FRAME_VERSION_OFFSET);
}

/** Returns the first bucket that a snapshot's frame covers; 0 in a delta. */
export function firstBucket(frame: usize): u32 {
  return load<u32>(frame + FRAME_FIRST_BUCKET_OFFSET);
}

/** Returns how many buckets a snapshot's frame covers; 0 in a delta. */
export function bucketCount(frame: usize): u32 {
  return load<u32>(frame + FRAME_BUCKET_COUNT_OFFSET);
}

/** Returns how many records the frame has. */
export function upsertCount(frame: usize): u32 {
  return load<u32>(frame + FRAME_UPSERT_COUNT_OFFSET);
}

/** Returns how many keys of removed frontends the frame has; 0 in a snapshot. */
export function removalCount(frame: usize): u32 {
  return load<u32>(frame + FRAME_REMOVAL_COUNT_OFFSET);
}

/** Writes the header of a SNAPSHOT frame. */
export function writeSnapshotHeader(
  frame: usize,
  version: u64,
  first: u32,
  count: u32,
  upserts: u32,
): void {
  memory.fill(frame, 0, FRAME_HEADER_BYTES);
  store<u32>(frame, FRAME_MAGIC);
  store<u16>(frame + FRAME_WIRE_VERSION_OFFSET, <u16>WIRE_VERSION);
  store<u8>(frame + FRAME_KIND_OFFSET, <u8>FRAME_KIND_SNAPSHOT);
  store<u64>(frame + FRAME_VERSION_OFFSET, version);
  store<u32>(frame + FRAME_FIRST_BUCKET_OFFSET, first);
  store<u32>(frame + FRAME_BUCKET_COUNT_OFFSET, count);
  store<u32>(frame + FRAME_UPSERT_COUNT_OFFSET, upserts);
}
