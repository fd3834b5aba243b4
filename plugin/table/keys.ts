// Keys in shared data. For the table: one head, BUCKET_COUNT buckets, the chunks of long lists, and
// the mark of its changes.
// For session affinity: separate buckets, which another version of the table leaves alone.
//
//    0     1      2         4
//   +-----+------+---------+--------------+
//   | "P" | kind | version | bucket u32   |   head and mark: 4 bytes, bucket: 8 bytes
//   +-----+------+---------+--------------+
//   | "P" | kind | version | frontend key (20) | generation u8 | chunk u16 |   chunk: 27 bytes
//   +-----+------+---------+-------------------+---------------+-----------+
//   | "P" | kind | affinity version | bucket u32 |   session affinity: 8 bytes
//   +-----+------+------------------+------------+
//   | "P" | kind | stats version    | page u32   |   counted per Service: 8 bytes
//   +-----+------+------------------+------------+
//   | "P" | kind | eject version    |                backends that fail: 4 bytes
//   +-----+------+------------------+
//   | "P" | kind | failures version | slot u32   |   failures of a function: 8 bytes
//   +-----+------+------------------+------------+---------+
//   | "P" | kind | limit version    | service id (8 bytes) |   limited: 12 bytes
//   +-----+------+------------------+----------------------+
//   | "P" | kind | load version     | place u32  |   connections per backend: 8 bytes
//   +-----+------+------------------+------------+
//
// version = WIRE_VERSION * 16 + STORAGE_VERSION. Keys of at most 15 bytes cost the host no
// allocation.

import { EJECT_VERSION } from "../wire/eject-layout";
import { FUNCTION_FAILURES_VERSION } from "../wire/function-failures-layout";
import { KEY_BYTES, WIRE_VERSION } from "../wire/layout";
import { STATS_VERSION } from "../wire/stats-layout";

/**
 * Increase it when the form of the values in shared data changes and the wire does not (0 … 15). A
 * plugin of another version then starts without a table, and the controller pushes one.
 */
const STORAGE_VERSION: u32 = 2;
const VERSION: u32 = WIRE_VERSION * 16 + STORAGE_VERSION;

/** Increase it when the form of session affinity's entries changes; all clients are new then. */
export const AFFINITY_VERSION: u32 = 1;

/** Increase it when the form of a limited ServicePort's counts changes; they start at 0 then. */
const LIMIT_VERSION: u32 = 1;

/** Increase it when the form of what VMs tell of their connections changes. */
const LOAD_VERSION: u32 = 1;

const LETTER_P: u8 = 0x50;
const KIND_HEAD: u8 = 0x68;
const KIND_BUCKET: u8 = 0x62;
const KIND_CHUNK: u8 = 0x63;
const KIND_MARK: u8 = 0x6d;
const KIND_AFFINITY: u8 = 0x61;
const KIND_STATS: u8 = 0x73;
const KIND_EJECTED: u8 = 0x65;
const KIND_FUNCTION: u8 = 0x66;
const KIND_LIMIT: u8 = 0x6c;
const KIND_LOAD: u8 = 0x6f;

export const HEAD_KEY_BYTES: u32 = 4;
export const MARK_KEY_BYTES: u32 = 4;
export const BUCKET_KEY_BYTES: u32 = 8;
export const CHUNK_KEY_BYTES: u32 = 27;
export const AFFINITY_KEY_BYTES: u32 = 8;
export const STATS_PAGE_KEY_BYTES: u32 = 8;
export const EJECTED_KEY_BYTES: u32 = 4;
export const FUNCTION_KEY_BYTES: u32 = 8;
export const LIMIT_KEY_BYTES: u32 = 12;
export const LOAD_KEY_BYTES: u32 = 8;

const head: usize = memory.data(HEAD_KEY_BYTES);
const mark: usize = memory.data(MARK_KEY_BYTES);
const bucketKeyBytes: usize = memory.data(BUCKET_KEY_BYTES);
const chunkKeyBytes: usize = memory.data(CHUNK_KEY_BYTES);
const affinityKeyBytes: usize = memory.data(AFFINITY_KEY_BYTES);
const statsKeyBytes: usize = memory.data(STATS_PAGE_KEY_BYTES);
const ejected: usize = memory.data(EJECTED_KEY_BYTES);
const functionKeyBytes: usize = memory.data(FUNCTION_KEY_BYTES);
const limitKeyBytes: usize = memory.data(LIMIT_KEY_BYTES);
const loadKeyBytes: usize = memory.data(LOAD_KEY_BYTES);

function begin(key: usize, kind: u8, version: u32 = VERSION): usize {
  store<u8>(key, LETTER_P);
  store<u8>(key + 1, kind);
  store<u16>(key + 2, <u16>version);
  return key;
}

/** Returns the key of the table's head, HEAD_KEY_BYTES. */
export function headKey(): usize {
  return begin(head, KIND_HEAD);
}

/** Returns the key whose number says whether the table has changed, MARK_KEY_BYTES. */
export function markKey(): usize {
  return begin(mark, KIND_MARK);
}

/** Returns the key of a bucket of the table, BUCKET_KEY_BYTES. */
export function bucketKey(bucket: u32): usize {
  store<u32>(bucketKeyBytes + 4, bucket);
  return begin(bucketKeyBytes, KIND_BUCKET);
}

/** Returns the key of a chunk of a frontend's list in a generation (0 or 1), CHUNK_KEY_BYTES. */
export function chunkKey(frontend: usize, generation: u32, chunk: u32): usize {
  memory.copy(chunkKeyBytes + 4, frontend, KEY_BYTES);
  store<u8>(chunkKeyBytes + 4 + KEY_BYTES, <u8>generation);
  store<u16>(chunkKeyBytes + 5 + KEY_BYTES, <u16>chunk);
  return begin(chunkKeyBytes, KIND_CHUNK);
}

/** Returns the key of a bucket of session affinity, AFFINITY_KEY_BYTES. */
export function affinityKey(bucket: u32): usize {
  store<u32>(affinityKeyBytes + 4, bucket);
  return begin(affinityKeyBytes, KIND_AFFINITY, AFFINITY_VERSION);
}

/** Returns the key of a page of what was counted, STATS_PAGE_KEY_BYTES. */
export function statsPageKey(page: u32): usize {
  store<u32>(statsKeyBytes + 4, page);
  return begin(statsKeyBytes, KIND_STATS, STATS_VERSION);
}

/** Returns the key of the backends that fail, EJECTED_KEY_BYTES. */
export function ejectedKey(): usize {
  return begin(ejected, KIND_EJECTED, EJECT_VERSION);
}

/** Returns the key of the failures of the function in a slot, FUNCTION_KEY_BYTES. */
export function functionKey(slot: u32): usize {
  store<u32>(functionKeyBytes + 4, slot);
  return begin(functionKeyBytes, KIND_FUNCTION, FUNCTION_FAILURES_VERSION);
}

/** Returns the key of a limited ServicePort's counts, LIMIT_KEY_BYTES. */
export function limitKey(serviceId: u64): usize {
  store<u64>(limitKeyBytes + 4, serviceId);
  return begin(limitKeyBytes, KIND_LIMIT, LIMIT_VERSION);
}

/** Returns the key of a place where a VM tells of its connections, LOAD_KEY_BYTES. */
export function loadKey(place: u32): usize {
  store<u32>(loadKeyBytes + 4, place);
  return begin(loadKeyBytes, KIND_LOAD, LOAD_VERSION);
}
