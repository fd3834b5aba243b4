// What the plugin remembers for session affinity: which client last went to which backend of a
// ServicePort, in buckets in shared data. Bytes of a bucket → an entry; bytes and a new entry → the
// bucket's new bytes. affinity.ts decides whether an entry still counts.
//
// A bucket is a row of entries, the most recently used at its end:
//
//    0         8         16        20       21         22       26 (38)   32 (56)
//   +---------+---------+---------+--------+----------+--------+---------+
//   | service | used at | timeout | family | reserved | client | backend |
//   | id      | u64, ns | u32, s  | u8     | 0        |        |         |
//   +---------+---------+---------+--------+----------+--------+---------+
//
// client is 4 bytes (IPv6: 16), backend the same with a port, as in a record but without flags.
// family has KEY_LIST_LOCAL where the backend was picked from the local list. A client has at most
// one entry for each list of a ServicePort.

import { FAMILY_IPV4, FAMILY_IPV6, KEY_LIST_LOCAL } from "../wire/layout";

/**
 * So a node remembers at most half a million clients, in 16 MB (IPv6: 29 MB). A further one
 * replaces the least recently used of its bucket.
 */
const MAX_BUCKET_ENTRIES: u32 = 32;

const USED_AT_OFFSET: u32 = 8;
const TIMEOUT_OFFSET: u32 = 16;
const FAMILY_OFFSET: u32 = 20;
const CLIENT_OFFSET: u32 = 22;
const IPV4_BYTES: u32 = 32;
const IPV6_BYTES: u32 = 56;
export const MAX_AFFINITY_BUCKET_BYTES: u32 = MAX_BUCKET_ENTRIES * IPV6_BYTES;

const SECOND: u64 = 1000000000;

/** One client of one ServicePort, and which of its entries is written: the lookup key. */
@unmanaged
export class Session {
  serviceId: u64;
  /** The address of the client's 4 or 16 bytes. */
  client: usize;
  /** FAMILY_IPV4 or FAMILY_IPV6. */
  family: u32;
  /** KEY_LIST_LOCAL, or 0 for the cluster list. */
  list: u32;
}

/**
 * Returns the list from which the entry's backend was picked: KEY_LIST_LOCAL, or 0: cluster list.
 */
export function entryList(entry: usize): u32 {
  return load<u8>(entry + FAMILY_OFFSET) & KEY_LIST_LOCAL;
}

function addressBytes(family: u32): u32 {
  return family === FAMILY_IPV4 ? 4 : 16;
}

function entryFamily(entry: usize): u32 {
  return load<u8>(entry + FAMILY_OFFSET) & ~KEY_LIST_LOCAL;
}

function entryBytes(entry: usize): u32 {
  return entryFamily(entry) === FAMILY_IPV4 ? IPV4_BYTES : IPV6_BYTES;
}

/** Returns where address and port of the backend are. */
export function entryBackend(entry: usize): usize {
  return entry + CLIENT_OFFSET + addressBytes(entryFamily(entry));
}

/** Returns the entry at `entry`, or `end` when no complete one is there. */
function whole(entry: usize, end: usize): usize {
  const room = <u32>(end - entry);
  if (room < IPV4_BYTES || entryBytes(entry) > room) return end;
  const family = entryFamily(entry);
  return family === FAMILY_IPV4 || family === FAMILY_IPV6 ? entry : end;
}

function next(entry: usize, end: usize): usize {
  return whole(entry + entryBytes(entry), end);
}

/** Returns nanoseconds since its use; 0 when another worker's clock is ahead of this one's. */
function idleTime(entry: usize, now: u64): u64 {
  const usedAt = load<u64>(entry + USED_AT_OFFSET);
  return now > usedAt ? now - usedAt : 0;
}

/** Returns the rest of its timeout (s), rounded up; it was used less than the timeout ago. */
export function secondsLeft(entry: usize, timeout: u32, now: u64): u32 {
  return timeout - <u32>(idleTime(entry, now) / SECOND);
}

/** Reports whether it was used within the timeout that its Service had at that use. */
function isAlive(entry: usize, now: u64): bool {
  return idleTime(entry, now) < load<u32>(entry + TIMEOUT_OFFSET) * SECOND;
}

function belongsTo(entry: usize, session: Session, list: u32): bool {
  return (
    load<u64>(entry) === session.serviceId &&
    load<u8>(entry + FAMILY_OFFSET) === (session.family | list) &&
    memory.compare(entry + CLIENT_OFFSET, session.client, addressBytes(session.family)) === 0
  );
}

/** Returns the session's entry for a list, used less than timeout (s) ago; 0 for none. */
export function findEntry(
  bytes: usize,
  end: usize,
  session: Session,
  list: u32,
  timeout: u32,
  now: u64,
): usize {
  let entry = whole(bytes, end);
  while (entry !== end) {
    if (belongsTo(entry, session, list)) {
      return idleTime(entry, now) < timeout * SECOND ? entry : 0;
    }
    entry = next(entry, end);
  }
  return 0;
}

const written: usize = memory.data(MAX_AFFINITY_BUCKET_BYTES);
let writtenBytes: u32 = 0;
let evicted: u32 = 0;

/** Returns the bytes that writeBucket made. */
export function bucketBytes(): usize {
  return written;
}

/** Returns the size of bucketBytes, at most MAX_AFFINITY_BUCKET_BYTES. */
export function bucketSize(): u32 {
  return writtenBytes;
}

/** Returns how many live entries were evicted for lack of room. */
export function evictedEntries(): u32 {
  return evicted;
}

function append(entry: usize): void {
  memory.copy(written + writtenBytes, entry, entryBytes(entry));
  writtenBytes += entryBytes(entry);
}

function isKept(entry: usize, session: Session, now: u64): bool {
  return isAlive(entry, now) && !belongsTo(entry, session, session.list);
}

/** Puts the entry at the end, and keeps the live ones that fit, newest first. */
export function writeBucket(
  bytes: usize,
  end: usize,
  session: Session,
  backend: usize,
  timeout: u32,
  now: u64,
): void {
  let kept: u32 = 0;
  let entry = whole(bytes, end);
  for (; entry !== end; entry = next(entry, end)) if (isKept(entry, session, now)) kept++;
  const room = MAX_BUCKET_ENTRIES - 1;
  evicted = kept > room ? kept - room : 0;
  writtenBytes = 0;
  let toEvict = evicted;
  for (entry = whole(bytes, end); entry !== end; entry = next(entry, end)) {
    if (!isKept(entry, session, now)) continue;
    if (toEvict > 0) toEvict--;
    else append(entry);
  }
  const own = written + writtenBytes;
  const address = addressBytes(session.family);
  store<u64>(own, session.serviceId);
  store<u64>(own + USED_AT_OFFSET, now);
  store<u32>(own + TIMEOUT_OFFSET, timeout);
  store<u16>(own + FAMILY_OFFSET, <u16>(session.family | session.list));
  memory.copy(own + CLIENT_OFFSET, session.client, address);
  memory.copy(own + CLIENT_OFFSET + address, backend, address + 2);
  writtenBytes += entryBytes(own);
}
