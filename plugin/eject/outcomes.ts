// An attempt to connect has failed, or a backend has accepted → who leaves the backend alone, and
// until when. Called only for attempts of the present connection.
//
// - A client whose attempt was refused leaves the backend alone; after a time-out, from the second
//   one on, since one SYN may have been lost. NetworkPolicies drop per client, so it does so alone.
// - Once two clients have failed, and the backend has served no one since, all leave it alone.
// - For 1 s at first. Then one connection tries it (probe.ts); if that fails too, twice as long.
// - A client alone never makes the time longer for others: all.client is the last one that did.
// - A success ends it for all. Other clients may try at once; if it keeps failing them, they no
//   longer count for others.

import {
  ejectionsRefusedTotal,
  ejectionsTimedOutTotal,
  ejectionsUnreachableTotal,
} from "../counters";
import { count } from "../host/counter";
import {
  EJECT_FIRST_SECONDS,
  EJECT_FOR_ALL,
  EJECT_LONGEST_SECONDS,
  EJECT_PROBED,
  EJECT_REFUSED,
  EJECT_SERVES_OTHERS,
  EJECT_TIMED_OUT,
  EJECT_WINDOW_SECONDS,
} from "../wire/eject-layout";
import {
  addEntry,
  changeEntries,
  Entry,
  entryAt,
  entryCount,
  isActive,
  isForAll,
  removeEntry,
  SECOND,
} from "./entries";
import {
  hasEntry,
  indexForAll,
  indexForClient,
  isOfBackend,
  isOfClient,
  NO_ENTRY,
  setBackend,
  setClient,
  writeClient,
  writeSubject,
} from "./subject";

const MOST_STRIKES: u8 = 6;
const MOST_FAILURES: u16 = 0xffff;

// Of the outcome that is being noted; how many ejections it began.
let now: u64 = 0;
let reason: u32 = 0;
let begun: u32 = 0;

function hasFlag(entry: Entry, flag: u32): bool {
  return (entry.flags & flag) !== 0;
}

/** Ejects, for twice as long as the last time. */
function strike(entry: Entry): void {
  if (entry.strikes === 0) {
    entry.since = now;
    begun++;
  }
  const seconds = min(EJECT_FIRST_SECONDS << entry.strikes, EJECT_LONGEST_SECONDS);
  entry.until = now + seconds * SECOND;
  entry.strikes = min<u8>(entry.strikes + 1, MOST_STRIKES);
  entry.flags &= ~(<u8>EJECT_PROBED);
}

function noteFailedAt(entry: Entry): void {
  entry.failedAt = now;
  entry.reason = <u8>reason;
  if (entry.failures < MOST_FAILURES) entry.failures++;
}

/** It is ejected, and this was no connection that tried it: one that was begun before. */
function isKnown(entry: Entry): bool {
  return isActive(entry, now) && !hasFlag(entry, EJECT_PROBED);
}

/** The client's own entry, after the failure. */
function failForClient(own: Entry): void {
  noteFailedAt(own);
  const isFirst = own.failures === 1;
  if (reason !== EJECT_TIMED_OUT || !isFirst) strike(own);
}

/** Reports whether the backend has failed another client too, and served no one since. */
function hasFailedOther(): bool {
  for (let i: u32 = 0; i < entryCount(); i++) {
    const entry = entryAt(i);
    const isOther = isOfBackend(entry) && !isForAll(entry) && !isOfClient(entry);
    const isRecent = now < entry.failedAt + EJECT_WINDOW_SECONDS * SECOND;
    if (isOther && isRecent && !hasFlag(entry, EJECT_SERVES_OTHERS)) return true;
  }
  return false;
}

/** The entry for all exists: the client's failure makes it longer, if it is not its last one. */
function failForAll(all: Entry): void {
  noteFailedAt(all);
  if (!isOfClient(all)) {
    writeClient(all);
    strike(all);
  } else if (hasFlag(all, EJECT_PROBED)) {
    // Its own entry has it wait; others may try.
    all.flags &= ~(<u8>EJECT_PROBED);
    all.until = now;
  }
}

function addForAll(): void {
  const all = addEntry();
  writeSubject(all);
  all.flags = <u8>EJECT_FOR_ALL;
  noteFailedAt(all);
  strike(all);
}

function fail(): bool {
  begun = 0;
  const allIndex = indexForAll();
  if (allIndex !== NO_ENTRY && isKnown(entryAt(allIndex))) return false;
  let ownIndex = indexForClient();
  if (ownIndex !== NO_ENTRY && isKnown(entryAt(ownIndex))) return false;
  if (allIndex !== NO_ENTRY) failForAll(entryAt(allIndex));
  if (ownIndex === NO_ENTRY) {
    writeSubject(addEntry());
    ownIndex = entryCount() - 1;
  }
  failForClient(entryAt(ownIndex));
  const countsForOthers = !hasFlag(entryAt(ownIndex), EJECT_SERVES_OTHERS);
  if (allIndex === NO_ENTRY && countsForOthers && hasFailedOther()) addForAll();
  return true;
}

/** The entry says of the backend what a success disproves. */
function isDisproved(entry: Entry): bool {
  return isForAll(entry) || isOfClient(entry) || !hasFlag(entry, EJECT_SERVES_OTHERS);
}

/** Removes what is for all or for the client; others may try at once. */
function succeed(): bool {
  let isChanged = false;
  for (let i = entryCount(); i-- > 0; ) {
    const entry = entryAt(i);
    if (!isOfBackend(entry) || !isDisproved(entry)) continue;
    isChanged = true;
    if (isForAll(entry) || isOfClient(entry)) removeEntry(i);
    else {
      entry.flags = <u8>EJECT_SERVES_OTHERS;
      entry.until = min(entry.until, now);
    }
  }
  return isChanged;
}

/** Reports whether a success changes an entry of this VM's copy. */
function changesAny(): bool {
  for (let i: u32 = 0; i < entryCount(); i++) {
    if (isOfBackend(entryAt(i)) && isDisproved(entryAt(i))) return true;
  }
  return false;
}

function countBegun(): void {
  if (begun === 0) return;
  if (reason === EJECT_REFUSED) count(ejectionsRefusedTotal);
  else if (reason === EJECT_TIMED_OUT) count(ejectionsTimedOutTotal);
  else count(ejectionsUnreachableTotal);
}

/** An attempt to connect to a backend in the form of a record has failed, for a reason (EJECT_). */
export function noteFailure(family: u32, backend: usize, why: u32, at: u64): void {
  setBackend(family, backend);
  if (at === 0 || !setClient()) return;
  now = at;
  reason = why;
  if (changeEntries(at, fail)) countBegun();
}

/** A backend in the form of a record has accepted. */
export function noteSuccess(family: u32, backend: usize, at: u64): void {
  setBackend(family, backend);
  if (!hasEntry() || !setClient()) return;
  now = at;
  if (changesAny()) changeEntries(at, succeed);
}
