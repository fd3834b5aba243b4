// One record, in a frame or in a bucket, by its address: reads its fields (wire/layout.ts), finds
// its bucket, orders it. A stored record has the form of a frame's, except that a long list of
// backends is in chunks (chunks.ts); then its flags say so and its stamp identifies the list.

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
  OPTION_NO_EJECTION,
  RECORD_AFFINITY_OFFSET,
  RECORD_BACKEND_COUNT_OFFSET,
  RECORD_BALANCING_OFFSET,
  RECORD_BYTES_OFFSET,
  RECORD_FLAGS_OFFSET,
  RECORD_FUNCTION_OFFSET,
  RECORD_HEADER_BYTES,
  RECORD_KEY_OFFSET,
  RECORD_MAX_CONNECTIONS_OFFSET,
  RECORD_MAX_NEW_CONNECTIONS_OFFSET,
  RECORD_NAME_BYTES_OFFSET,
  RECORD_OPTIONS_OFFSET,
  RECORD_SERVICE_ID_OFFSET,
  RECORD_STAMP_OFFSET,
} from "../wire/layout";

/** The backends are in chunks … */
export const FLAG_CHUNKED: u8 = 1;
/** … of generation 1, or else 0. */
export const FLAG_GENERATION: u8 = 2;
/** Set in a copy of a bucket only: the record is being replaced or removed. */
export const FLAG_RETIRED: u8 = 4;

/** The longest list inside its bucket: each connection copies its bucket. */
export const MAX_INLINE_BACKENDS: u32 = 128;

/** Returns the record's stored size in bytes, header and names included. */
export function recordBytes(record: usize): u32 {
  return load<u32>(record + RECORD_BYTES_OFFSET);
}

/** Returns the address of the record's key. */
export function recordKey(record: usize): usize {
  return record + RECORD_KEY_OFFSET;
}

/** Returns the record's flags (FLAG_ above); 0 in a frame. */
export function recordFlags(record: usize): u8 {
  return load<u8>(record + RECORD_FLAGS_OFFSET);
}

/** Sets flags of the record, and keeps those already set. */
export function addFlags(record: usize, flags: u8): void {
  store<u8>(record + RECORD_FLAGS_OFFSET, recordFlags(record) | flags);
}

/** Returns whether the record's backends are in chunks. */
export function isChunked(record: usize): bool {
  return (recordFlags(record) & FLAG_CHUNKED) !== 0;
}

/** Returns the generation of chunks that has the backends: 0 or 1. */
export function generation(record: usize): u32 {
  return (recordFlags(record) & FLAG_GENERATION) >> 1;
}

/** Returns the size of the names at the record's end. */
export function nameBytes(record: usize): u32 {
  return load<u16>(record + RECORD_NAME_BYTES_OFFSET);
}

/** Returns whether backends that fail are picked like others. */
export function hasNoEjection(record: usize): bool {
  return (load<u8>(record + RECORD_OPTIONS_OFFSET) & OPTION_NO_EJECTION) !== 0;
}

/** Returns how many backends the record has, in itself or in chunks; may be 0. */
export function backendCount(record: usize): u32 {
  return load<u32>(record + RECORD_BACKEND_COUNT_OFFSET);
}

/** Returns the stamp of the record's chunks; 0 without chunks. */
export function recordStamp(record: usize): u32 {
  return load<u32>(record + RECORD_STAMP_OFFSET);
}

/** Returns FAMILY_IPV4 or FAMILY_IPV6, for either list. */
export function keyFamily(key: usize): u32 {
  return load<u8>(key + KEY_FAMILY_OFFSET) & ~KEY_LIST_LOCAL;
}

/** Returns KEY_LIST_LOCAL, or 0 for the cluster list. */
export function keyList(key: usize): u32 {
  return load<u8>(key + KEY_FAMILY_OFFSET) & KEY_LIST_LOCAL;
}

/** Returns seconds; 0 for no session affinity. */
export function affinityTimeout(record: usize): u32 {
  return load<u32>(record + RECORD_AFFINITY_OFFSET);
}

/** Returns the service id: what all frontends of a ServicePort have in common. */
export function serviceId(record: usize): u64 {
  return load<u64>(record + RECORD_SERVICE_ID_OFFSET);
}

/** Returns a BALANCING_ of wire/layout.ts. */
export function balancing(record: usize): u32 {
  return load<u8>(record + RECORD_BALANCING_OFFSET);
}

/** Returns 1 + the slot of the function that picks; 0 for none. */
export function namedFunction(record: usize): u32 {
  return load<u16>(record + RECORD_FUNCTION_OFFSET);
}

/** Returns how many connections the ServicePort may have on this node; 0: as many as there are. */
export function maxConnections(record: usize): u32 {
  return load<u32>(record + RECORD_MAX_CONNECTIONS_OFFSET);
}

/** Returns how many new ones it may get in a second; 0: as many as there are. */
export function maxNewConnections(record: usize): u32 {
  return load<u32>(record + RECORD_MAX_NEW_CONNECTIONS_OFFSET);
}

/** Returns the size of one backend, by the family of the key. */
export function backendBytes(key: usize): u32 {
  return keyFamily(key) === FAMILY_IPV4 ? BACKEND_IPV4_BYTES : BACKEND_IPV6_BYTES;
}

/** Returns the size of a record in a frame, including backends in chunks. */
export function frameBytes(record: usize): u64 {
  const backends = <u64>backendCount(record) * backendBytes(recordKey(record));
  return <u64>RECORD_HEADER_BYTES + backends + nameBytes(record);
}

/** Returns the first of a bucket's records in shared data; `end` when it is not complete. */
export function firstRecord(bytes: usize, end: usize): usize {
  if (<u32>(end - bytes) < RECORD_HEADER_BYTES) return end;
  const size = recordBytes(bytes);
  const least = isChunked(bytes) ? <u64>RECORD_HEADER_BYTES + nameBytes(bytes) : frameBytes(bytes);
  return size > <u32>(end - bytes) || size < least ? end : bytes;
}

/** Returns the record after this one, as firstRecord; `end` after the last. */
export function nextRecord(record: usize, end: usize): usize {
  return firstRecord(record + recordBytes(record), end);
}

/** Returns FNV-1a of the bytes, continued from `hash` (HASH_OFFSET_BASIS at first). */
export function hashBytes(bytes: usize, size: u32, hash: u32): u32 {
  for (let i: u32 = 0; i < size; i++) hash = (hash ^ load<u8>(bytes + i)) * HASH_PRIME;
  return hash;
}

/** Returns FNV-1a of the key modulo BUCKET_COUNT. */
export function bucketOfKey(key: usize): u32 {
  return hashBytes(key, KEY_BYTES, HASH_OFFSET_BASIS) & (BUCKET_COUNT - 1);
}

/** Returns whether two keys are the same, their list included. */
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
