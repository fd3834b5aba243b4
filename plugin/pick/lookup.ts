// Key of a frontend's list → one of its backends, in at most one read of shared data (one more for
// a long list, plus a read and a write with session affinity). While backends are ejected, the
// clock too, and the client's address where some are for one client.

import { STATUS_NOT_FOUND, STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { setConnectionName } from "../host/filter-state";
import { readShared } from "../host/shared-data";
import { BUCKET_KEY_BYTES, bucketKey } from "../table/keys";
import { readBucket, readBytes, readSize, releaseBucket } from "../table/recent";
import {
  affinityTimeout,
  backendCount,
  balancing,
  bucketOfKey,
  firstRecord,
  keyFamily,
  maxConnections,
  maxNewConnections,
  nameBytes,
  namedFunction,
  nextRecord,
  recordBytes,
  recordKey,
  sameKey,
  serviceId,
} from "../table/record";
import { BALANCING_LEAST_CONNECTIONS } from "../wire/layout";
import { peekAffinity, pickWithAffinity, rememberListed } from "./affinity";
import { pickAny, pickedBackend, pickListed } from "./backend";
import { heedEjected, heedNone, heedsEjections, mayTakePicked } from "./ejected";

export const PICKED: u32 = 0;
export const UNKNOWN_FRONTEND: u32 = 1;
export const NO_BACKEND: u32 = 2;
/** The host failed, or the list kept being replaced while it was read. */
export const UNREADABLE: u32 = 3;

/** Gives up when a list is replaced this often during its read. */
const ATTEMPTS: u32 = 8;

const SLASH: u8 = 0x2f;
const COLON: u8 = 0x3a;

let foundServiceId: u64 = 0;

/** Returns the service id of the frontend that was found last, backend or not. */
export function pickedServiceId(): u64 {
  return foundServiceId;
}

let isHeeding: bool = false;

/** Returns whether failures to connect count for the frontend that was found last. */
export function pickedHeedsEjections(): bool {
  return isHeeding;
}

let foundMost: u32 = 0;
let foundMostNew: u32 = 0;

/** Returns the most connections of the ServicePort that was found last, at once; 0 for any. */
export function pickedMostConnections(): u32 {
  return foundMost;
}

/** Returns its most new connections a second; 0 for any. */
export function pickedMostNewConnections(): u32 {
  return foundMostNew;
}

let countsLoad: bool = false;

/** Returns whether connections of the frontend that was found last count for its balancing. */
export function pickedCountsLoad(): bool {
  return countsLoad;
}

let isNaming: bool = false;

/** Returns whether connections get names for the flow log. */
export function namesConnections(): bool {
  return isNaming;
}

/** Sets whether connections get the name of their Service (filter state, for the flow log). */
export function setNaming(wanted: bool): void {
  isNaming = wanted;
}

/** Names it "shop/web:http", or "shop/web" where the port has no name. */
function nameConnection(record: usize): void {
  let size = nameBytes(record);
  const names = record + recordBytes(record) - size;
  if (size > 0 && load<u8>(names + size - 1) === 0) size--;
  let separator: u8 = SLASH;
  // In this VM's copy, where only the names are changed, and only here.
  for (let i: u32 = 0; i < size; i++) {
    if (load<u8>(names + i) !== 0) continue;
    store<u8>(names + i, separator);
    separator = COLON;
  }
  setConnectionName(names, size);
}

/** Returns a status. */
function pickOnce(record: usize): u32 {
  return affinityTimeout(record) === 0 ? pickAny(record) : pickWithAffinity(record);
}

/** Picks again where another connection tries the picked backend, which was ejected. */
function pickHeeding(record: usize): u32 {
  const family = keyFamily(recordKey(record));
  for (let i: u32 = 0; i < ATTEMPTS; i++) {
    heedEjected(record);
    const status = pickOnce(record);
    if (status !== STATUS_OK || mayTakePicked(family, pickedBackend())) return status;
  }
  heedNone();
  return pickOnce(record);
}

function pickFromRecord(record: usize): u32 {
  foundServiceId = serviceId(record);
  isHeeding = heedsEjections(record);
  foundMost = maxConnections(record);
  foundMostNew = maxNewConnections(record);
  countsLoad = balancing(record) === BALANCING_LEAST_CONNECTIONS || namedFunction(record) !== 0;
  if (isNaming) nameConnection(record);
  if (backendCount(record) === 0) return NO_BACKEND;
  const status = pickHeeding(record);
  heedNone();
  return status === STATUS_OK ? PICKED : UNREADABLE;
}

/** Returns the key's record in a bucket's value; `end` when it has none. */
function recordIn(value: usize, end: usize, key: usize): usize {
  let record = firstRecord(value, end);
  while (record !== end && !sameKey(recordKey(record), key)) record = nextRecord(record, end);
  return record;
}

function lookUp(key: usize, bucket: u32, again: bool): u32 {
  if (readBucket(bucket, again) !== STATUS_OK) return UNREADABLE;
  const end = readBytes() + readSize();
  const record = recordIn(readBytes(), end, key);
  const outcome = record === end ? UNKNOWN_FRONTEND : pickFromRecord(record);
  releaseBucket();
  return outcome;
}

/** Picks one of the list's backends into pickedBackend (backend.ts). */
export function pickBackend(key: usize): u32 {
  const bucket = bucketOfKey(key);
  let outcome = UNREADABLE;
  for (let i: u32 = 0; i < ATTEMPTS && outcome === UNREADABLE; i++) {
    outcome = lookUp(key, bucket, i > 0);
  }
  return outcome;
}

/** As peekAffinity, for the record of a key; also 0 without a record or session affinity. */
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

/** Reports whether the key's list has this backend now; true when the host fails. */
export function isListed(key: usize, backend: usize): bool {
  if (readShared(bucketKey(bucketOfKey(key)), BUCKET_KEY_BYTES) !== STATUS_OK) return true;
  const value = returnedBytes();
  const end = value + returnedSize();
  const record = recordIn(value, end, key);
  const status = record === end ? STATUS_NOT_FOUND : pickListed(record, backend);
  release(value);
  return status !== STATUS_NOT_FOUND;
}

/** Has the present connection's client keep this backend, where the key's record says that. */
export function rememberBackend(key: usize, backend: usize): void {
  if (readShared(bucketKey(bucketOfKey(key)), BUCKET_KEY_BYTES) !== STATUS_OK) return;
  const value = returnedBytes();
  const end = value + returnedSize();
  const record = recordIn(value, end, key);
  if (record !== end && affinityTimeout(record) !== 0) rememberListed(record, backend);
  release(value);
}
