// The backends that fail, as this VM last read them from shared data, which all workers and both
// roles share: one value, a row of entries (wire/eject-layout.ts). Shared data ↔ the copy; who is
// ejected, and when, is decided in outcomes.ts and probe.ts.
//
// Nothing in shared data is trusted: what is no entry, or would last longer than any ejection, is
// left out. Whatever is in it, a pick only takes another backend of its list for it.

import { STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { readShared, returnedCas, writeShared } from "../host/shared-data";
import { EJECTED_KEY_BYTES, ejectedKey } from "../table/keys";
import {
  EJECT_BACKEND_OFFSET,
  EJECT_CLIENT_OFFSET,
  EJECT_ENTRY_BYTES,
  EJECT_FOR_ALL,
  EJECT_LONGEST_SECONDS,
  EJECT_PROBED,
  EJECT_REFUSED,
  EJECT_SERVES_OTHERS,
  EJECT_UNREACHABLE,
  EJECT_WINDOW_SECONDS,
  MOST_EJECTED,
} from "../wire/eject-layout";
import { FAMILY_IPV4, FAMILY_IPV6 } from "../wire/layout";

export const SECOND: u64 = 1000000000;
/** Longer than an ejection lasts, or the claim of the connection that tries a backend. */
const LONGEST: u64 = (EJECT_LONGEST_SECONDS + 5) * SECOND;
const WINDOW: u64 = EJECT_WINDOW_SECONDS * SECOND;
/** How often other workers may write between reading and writing here. */
const ATTEMPTS: u32 = 8;

/** While there are entries: when nothing else has ticks. */
const REFRESH_MILLISECONDS: u32 = 1000;

/** An entry, as wire/eject-layout.ts draws it. */
@unmanaged
export class Entry {
  until: u64;
  since: u64;
  failedAt: u64;
  backend: u64;
  backendRest: u64;
  /** As in a packet. */
  port: u16;
  family: u8;
  strikes: u8;
  reason: u8;
  flags: u8;
  failures: u16;
  client: u64;
  clientRest: u64;
}

const entries: usize = memory.data(MOST_EJECTED * EJECT_ENTRY_BYTES, 8);
let used: u32 = 0;
/** Whether what was read had entries that were left out. */
let hasOutdated: bool = false;

/** Returns how many entries there are, ejected or only noted. */
export function entryCount(): u32 {
  return used;
}

/** Returns the row of all entries, oldest first. */
export function entriesRow(): usize {
  return entries;
}

/** Returns an entry by its index, oldest first; valid until entries are read, added or removed. */
export function entryAt(index: u32): Entry {
  return changetype<Entry>(entries + index * EJECT_ENTRY_BYTES);
}

/** Returns where the entry's backend is: 16 bytes and the port. */
export function backendOf(entry: Entry): usize {
  return changetype<usize>(entry) + EJECT_BACKEND_OFFSET;
}

/** Returns where the entry's client is: 16 bytes. */
export function clientOf(entry: Entry): usize {
  return changetype<usize>(entry) + EJECT_CLIENT_OFFSET;
}

/** Reports whether the entry is for all clients. */
export function isForAll(entry: Entry): bool {
  return (entry.flags & EJECT_FOR_ALL) !== 0;
}

/** Reports whether no connection may be given the backend now, but the one that tries it. */
export function isActive(entry: Entry, now: u64): bool {
  return entry.until > now;
}

function isValid(entry: Entry): bool {
  return (
    (entry.family === FAMILY_IPV4 || entry.family === FAMILY_IPV6) &&
    entry.reason >= EJECT_REFUSED &&
    entry.reason <= EJECT_UNREACHABLE &&
    (entry.flags & ~(EJECT_FOR_ALL | EJECT_PROBED | EJECT_SERVES_OTHERS)) === 0
  );
}

/** Another worker's clock may be ahead of this one's, but not by seconds. */
function isCurrent(entry: Entry, now: u64): bool {
  const end = max(entry.until, entry.failedAt);
  return end < now + LONGEST && now < end + WINDOW;
}

function copyEntries(from: usize, count: u32, now: u64): void {
  used = 0;
  for (let i: u32 = 0; i < count; i++) {
    const entry = entryAt(used);
    memory.copy(changetype<usize>(entry), from + i * EJECT_ENTRY_BYTES, EJECT_ENTRY_BYTES);
    if (isValid(entry) && isCurrent(entry, now)) used++;
  }
}

/** Reads the entries; without the outdated. False when the host fails: then there are none. */
export function readEntries(now: u64): bool {
  used = 0;
  if (readShared(ejectedKey(), EJECTED_KEY_BYTES) !== STATUS_OK) return false;
  const size = returnedSize();
  const count = min(size / EJECT_ENTRY_BYTES, MOST_EJECTED);
  if (size % EJECT_ENTRY_BYTES === 0) copyEntries(returnedBytes(), count, now);
  hasOutdated = used * EJECT_ENTRY_BYTES !== size;
  release(returnedBytes());
  return true;
}

/** Changes the entries that were just read; false when there is nothing to write. */
export type Change = () => bool;

/**
 * Reads the entries, changes them and writes them, again if another worker wrote meanwhile. False
 * when there was nothing to change, or the host fails: then the entries are as they were read.
 */
export function changeEntries(now: u64, change: Change): bool {
  for (let i: u32 = 0; i < ATTEMPTS && readEntries(now); i++) {
    const cas = returnedCas();
    if (!change()) return false;
    const size = used * EJECT_ENTRY_BYTES;
    if (writeShared(ejectedKey(), EJECTED_KEY_BYTES, entries, size, cas) === STATUS_OK) return true;
  }
  readEntries(now);
  return false;
}

/** Removes an entry; the later ones keep their order. */
export function removeEntry(index: u32): void {
  used--;
  const entry = changetype<usize>(entryAt(index));
  memory.copy(entry, entry + EJECT_ENTRY_BYTES, (used - index) * EJECT_ENTRY_BYTES);
}

/** Makes room: of the entries for one client, if there are any, the one that failed first goes. */
function evict(): void {
  let oldest: u32 = 0;
  for (let i: u32 = 1; i < used; i++) {
    const entry = entryAt(i);
    const other = entryAt(oldest);
    if (isForAll(entry) === isForAll(other)) {
      if (entry.failedAt < other.failedAt) oldest = i;
    } else if (isForAll(other)) oldest = i;
  }
  removeEntry(oldest);
}

/** Adds an entry at the end, all zero; another is evicted when there is no room. */
export function addEntry(): Entry {
  if (used === MOST_EJECTED) evict();
  const entry = entryAt(used++);
  memory.fill(changetype<usize>(entry), 0, EJECT_ENTRY_BYTES);
  return entry;
}

/** There is something outdated in shared data; once written, there is not. */
function dropOutdated(): bool {
  return hasOutdated;
}

/** Reads the entries, and drops the outdated from shared data too. False when the host fails. */
export function refreshEntries(now: u64): bool {
  if (!readEntries(now)) return false;
  if (hasOutdated) changeEntries(now, dropOutdated);
  return true;
}

/** Returns the ticks that the entries need to be refreshed, ms; 0 for none. */
export function ejectedTicks(): u32 {
  return used === 0 ? 0 : REFRESH_MILLISECONDS;
}
