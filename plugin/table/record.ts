// One record, in a frame or in a bucket, by its address: reads its fields (wire/layout.ts), finds
// its bucket, orders it. A stored record is one of a frame, except that a long list of backends is
// not in it but in chunks (chunks.ts); then its flags say so and its stamp names the list.

import {
  BACKEND_IPV4_BYTES,
  BACKEND_IPV6_BYTES,
  BUCKET_COUNT,
  FAMILY_IPV4,
  HASH_OFFSET_BASIS,
  HASH_PRIME,
  KEY_BYTES,
  KEY_FAMILY_OFFSET,
  KEY_LIST_LOCAL,
  RECORD_AFFINITY_OFFSET,
  RECORD_BACKEND_COUNT_OFFSET,
  RECORD_BYTES_OFFSET,
  RECORD_FLAGS_OFFSET,
  RECORD_HEADER_BYTES,
  RECORD_KEY_OFFSET,
  RECORD_NAME_BYTES_OFFSET,
  RECORD_SERVICE_PORT_OFFSET,
  RECORD_STAMP_OFFSET,
} from "../wire/layout";

/** The backends are in chunks … */
export const FLAG_CHUNKED: u8 = 1;
/** … of generation 1, or else 0. */
export const FLAG_GENERATION: u8 = 2;
/** Set in a copy of a bucket only: the record is being replaced or removed. */
export const FLAG_RETIRED: u8 = 4;

/** Longest list that stands in its bucket: each connection copies its bucket. */
export const MAX_INLINE_BACKENDS: u32 = 128;

export function recordBytes(record: usize): u32 {
  return load<u32>(record + RECORD_BYTES_OFFSET);
}

export function recordKey(record: usize): usize {
  return record + RECORD_KEY_OFFSET;
}

export function recordFlags(record: usize): u8 {
  return load<u8>(record + RECORD_FLAGS_OFFSET);
}

export function addFlags(record: usize, flags: u8): void {
  store<u8>(record + RECORD_FLAGS_OFFSET, recordFlags(record) | flags);
}

export function isChunked(record: usize): bool {
  return (recordFlags(record) & FLAG_CHUNKED) !== 0;
}

export function generation(record: usize): u32 {
  return (recordFlags(record) & FLAG_GENERATION) >> 1;
}

export function nameBytes(record: usize): u32 {
  return load<u16>(record + RECORD_NAME_BYTES_OFFSET);
}

export function backendCount(record: usize): u32 {
  return load<u32>(record + RECORD_BACKEND_COUNT_OFFSET);
}

export function recordStamp(record: usize): u32 {
  return load<u32>(record + RECORD_STAMP_OFFSET);
}

/** FAMILY_IPV4 or FAMILY_IPV6, whichever of its lists the key names. */
export function keyFamily(key: usize): u32 {
  return load<u8>(key + KEY_FAMILY_OFFSET) & ~KEY_LIST_LOCAL;
}

/** KEY_LIST_LOCAL, or 0 for the cluster list. */
export function keyList(key: usize): u32 {
  return load<u8>(key + KEY_FAMILY_OFFSET) & KEY_LIST_LOCAL;
}

/** Seconds; 0 for no session affinity. */
export function affinityTimeout(record: usize): u32 {
  return load<u32>(record + RECORD_AFFINITY_OFFSET);
}

/** What all frontends of a ServicePort have in common. */
export function servicePort(record: usize): u64 {
  return load<u64>(record + RECORD_SERVICE_PORT_OFFSET);
}

export function backendBytes(key: usize): u32 {
  return keyFamily(key) === FAMILY_IPV4 ? BACKEND_IPV4_BYTES : BACKEND_IPV6_BYTES;
}

/** Size of a record in a frame, its backends included wherever they are. */
export function frameBytes(record: usize): u64 {
  const backends = <u64>backendCount(record) * backendBytes(recordKey(record));
  return <u64>RECORD_HEADER_BYTES + backends + nameBytes(record);
}

/** As long as bytes, from a bucket of shared data, hold whole records; `end` when they do not. */
export function firstRecord(bytes: usize, end: usize): usize {
  if (<u32>(end - bytes) < RECORD_HEADER_BYTES) return end;
  const size = recordBytes(bytes);
  const least = isChunked(bytes) ? <u64>RECORD_HEADER_BYTES + nameBytes(bytes) : frameBytes(bytes);
  return size > <u32>(end - bytes) || size < least ? end : bytes;
}

export function nextRecord(record: usize, end: usize): usize {
  return firstRecord(record + recordBytes(record), end);
}

/** FNV-1a of the bytes, going on from `hash` (HASH_OFFSET_BASIS at first). */
export function hashBytes(bytes: usize, size: u32, hash: u32): u32 {
  for (let i: u32 = 0; i < size; i++) hash = (hash ^ load<u8>(bytes + i)) * HASH_PRIME;
  return hash;
}

/** FNV-1a of the key, by BUCKET_COUNT. */
export function bucketOfKey(key: usize): u32 {
  return hashBytes(key, KEY_BYTES, HASH_OFFSET_BASIS) & (BUCKET_COUNT - 1);
}

export function sameKey(a: usize, b: usize): bool {
  return (
    load<u64>(a) === load<u64>(b) &&
    load<u64>(a, 8) === load<u64>(b, 8) &&
    load<u32>(a, 16) === load<u32>(b, 16)
  );
}

/** Negative, 0 or positive, in the order of the key bytes. */
export function compareKeys(a: usize, b: usize): i32 {
  return memory.compare(a, b, KEY_BYTES);
}

/** As compareKeys, in the order of a frame: by bucket first. */
export function compareInFrame(a: usize, b: usize): i32 {
  const bucketA = bucketOfKey(a);
  const bucketB = bucketOfKey(b);
  if (bucketA !== bucketB) return bucketA < bucketB ? -1 : 1;
  return compareKeys(a, b);
}
