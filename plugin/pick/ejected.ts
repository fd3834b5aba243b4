// Which backends of a list the next pick leaves out because they are ejected: none, as long as
// nothing is, without a call to the host.
//
// - At most half of a list is left out, rounded down: those that were ejected first. The others may
//   be picked although they are ejected, since too few are left to carry the load. Balancing
//   "failover" is there to move the load, and leaves out all that are ejected.
// - Where all of a list are ejected, none is left out: they may fail for a reason of the client's.
// - In a long list, whose backends are in chunks, all entries count as if they were its own. There
//   are no more of them than such a list has backends.

import { backendOf, Entry, entryAt, entryCount, isActive, isForAll } from "../eject/entries";
import { mayTake } from "../eject/probe";
import { findClient, isOfClient } from "../eject/subject";
import { steadyNow } from "../host/clock";
import { findBackend } from "../table/backends";
import {
  backendBytes,
  backendCount,
  balancing,
  hasNoEjection,
  isChunked,
  keyFamily,
  recordKey,
} from "../table/record";
import { MOST_EJECTED } from "../wire/eject-layout";
import { BACKEND_IPV6_BYTES, BALANCING_FAILOVER, FAMILY_IPV4 } from "../wire/layout";
import { backendAt } from "./list";

const BACKEND_BYTES: u32 = 18;
/** Backends as in an entry, 16 bytes of address and the port. */
const skipped: usize = memory.data(MOST_EJECTED * BACKEND_BYTES);
let skippedBackends: u32 = 0;
/** A backend in the form of a record. */
const listed: usize = memory.data(BACKEND_IPV6_BYTES);
/** A backend as in an entry. */
const asked: usize = memory.data(BACKEND_BYTES);

let isEjecting: bool = true;
/** When this pick began; 0 where no ejection counts for it. */
let now: u64 = 0;

/** Sets whether failures are seen at all. */
export function setEjecting(isPossible: bool): void {
  isEjecting = isPossible;
}

/** Reports whether failures of the record's backends count, and their ejections. */
export function heedsEjections(record: usize): bool {
  return isEjecting && !hasNoEjection(record);
}

/** Has picks leave nothing out from now on, and claim no backend. */
export function heedNone(): void {
  now = 0;
  skippedBackends = 0;
}

/** Returns how many backends the next pick leaves out. */
export function skippedCount(): u32 {
  return skippedBackends;
}

function isSkipped(backend: usize): bool {
  for (let i: u32 = 0; i < skippedBackends; i++) {
    if (memory.compare(skipped + i * BACKEND_BYTES, backend, BACKEND_BYTES) === 0) return true;
  }
  return false;
}

/** Reports whether the next pick leaves out a backend in the form of a record. */
export function isEjected(family: u32, backend: usize): bool {
  if (skippedBackends === 0) return false;
  const addressBytes: u32 = family === FAMILY_IPV4 ? 4 : 16;
  memory.fill(asked, 0, BACKEND_BYTES);
  memory.copy(asked, backend, addressBytes);
  store<u16>(asked + 16, load<u16>(backend + addressBytes));
  return isSkipped(asked);
}

function isInList(record: usize, entry: Entry): bool {
  const key = recordKey(record);
  if (entry.family !== keyFamily(key)) return false;
  if (isChunked(record)) return true;
  const addressBytes: u32 = entry.family === FAMILY_IPV4 ? 4 : 16;
  memory.copy(listed, backendOf(entry), addressBytes);
  store<u16>(listed + addressBytes, entry.port);
  const list = backendAt(record, 0);
  return findBackend(list, backendCount(record), backendBytes(key), listed) !== 0;
}

function addSkipped(record: usize): void {
  for (let i: u32 = 0; i < entryCount(); i++) {
    const entry = entryAt(i);
    const counts = isActive(entry, now) && (isForAll(entry) || isOfClient(entry));
    if (!counts || isSkipped(backendOf(entry)) || !isInList(record, entry)) continue;
    memory.copy(skipped + skippedBackends * BACKEND_BYTES, backendOf(entry), BACKEND_BYTES);
    skippedBackends++;
  }
}

/** Has the next pick from the record, which has backends, leave out those that are ejected. */
export function heedEjected(record: usize): void {
  heedNone();
  if (entryCount() === 0 || !heedsEjections(record)) return;
  now = steadyNow();
  if (now === 0) return;
  findClient();
  addSkipped(record);
  const count = backendCount(record);
  const most = balancing(record) === BALANCING_FAILOVER ? count : count / 2;
  skippedBackends = skippedBackends >= count ? 0 : min(skippedBackends, most);
}

/**
 * The pick may be made. False: the time of this backend, in the form of a record, was over, and
 * another connection tries it now.
 */
export function mayTakePicked(family: u32, backend: usize): bool {
  return now === 0 || mayTake(family, backend, now);
}
