// Key of a frontend's list → one of its backends, in one read of shared data (two for a long list,
// and a read and a write more with session affinity).

import { STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { setConnectionName } from "../host/filter-state";
import { readShared } from "../host/shared-data";
import { BUCKET_KEY_BYTES, bucketKey } from "../table/keys";
import {
  affinityTimeout,
  backendCount,
  bucketOfKey,
  firstRecord,
  nameBytes,
  nextRecord,
  recordBytes,
  recordKey,
  sameKey,
  servicePort,
} from "../table/record";
import { peekAffinity, pickWithAffinity } from "./affinity";
import { pickAny } from "./backend";

export const PICKED: u32 = 0;
export const UNKNOWN_FRONTEND: u32 = 1;
export const NO_BACKEND: u32 = 2;
/** The host failed, or the list was replaced again and again while it was read. */
export const UNREADABLE: u32 = 3;

/** A list would have to be replaced this often between two reads. */
const ATTEMPTS: u32 = 8;

const SLASH: u8 = 0x2f;
const COLON: u8 = 0x3a;

let foundServicePort: u64 = 0;

/** The ServicePort of the frontend that was found last, backend or not. */
export function pickedServicePort(): u64 {
  return foundServicePort;
}

let isNaming: bool = false;

/** Whether connections are told the names of what they are to (filter state, for the flow log). */
export function setNaming(wanted: bool): void {
  isNaming = wanted;
}

/** "shop/web:http", or "shop/web" where the port has no name. */
function nameConnection(record: usize): void {
  let size = nameBytes(record);
  const names = record + recordBytes(record) - size;
  if (size > 0 && load<u8>(names + size - 1) === 0) size--;
  let separator: u8 = SLASH;
  // In the bucket's copy, which is not read for anything else.
  for (let i: u32 = 0; i < size; i++) {
    if (load<u8>(names + i) !== 0) continue;
    store<u8>(names + i, separator);
    separator = COLON;
  }
  setConnectionName(names, size);
}

function pickFrom(record: usize): u32 {
  foundServicePort = servicePort(record);
  if (isNaming) nameConnection(record);
  if (backendCount(record) === 0) return NO_BACKEND;
  const status = affinityTimeout(record) === 0 ? pickAny(record) : pickWithAffinity(record);
  return status === STATUS_OK ? PICKED : UNREADABLE;
}

/** The key's record in a bucket's value; `end` when it has none. */
function recordIn(value: usize, end: usize, key: usize): usize {
  let record = firstRecord(value, end);
  while (record !== end && !sameKey(recordKey(record), key)) record = nextRecord(record, end);
  return record;
}

function pickOnce(key: usize, bucket: u32): u32 {
  if (readShared(bucketKey(bucket), BUCKET_KEY_BYTES) !== STATUS_OK) return UNREADABLE;
  const value = returnedBytes();
  const end = value + returnedSize();
  const record = recordIn(value, end, key);
  const outcome = record === end ? UNKNOWN_FRONTEND : pickFrom(record);
  release(value);
  return outcome;
}

/** Picks one of the list's backends into pickedBackend (backend.ts). */
export function pickBackend(key: usize): u32 {
  const bucket = bucketOfKey(key);
  let outcome = UNREADABLE;
  for (let i: u32 = 0; i < ATTEMPTS && outcome === UNREADABLE; i++) outcome = pickOnce(key, bucket);
  return outcome;
}

/** As peekAffinity, of the record of a key; 0 also where there is none, or no session affinity. */
export function peekBackend(key: usize, from: usize): u32 {
  if (readShared(bucketKey(bucketOfKey(key)), BUCKET_KEY_BYTES) !== STATUS_OK) return 0;
  const value = returnedBytes();
  const end = value + returnedSize();
  const record = recordIn(value, end, key);
  const isAffine = record !== end && affinityTimeout(record) !== 0 && backendCount(record) !== 0;
  const seconds = isAffine ? peekAffinity(record, from) : 0;
  release(value);
  return seconds;
}
