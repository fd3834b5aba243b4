// What the VMs of one Envoy tell each other of their connections, in shared data: each writes its
// own counts, a second after they change, and reads those of the others when it needs them and has
// not for a second. So a pick knows its own VM's connections exactly, and those of others as they
// were at most two seconds ago.
//
//    0      8            16
//   +------+------------+------------------------------------+
//   | VM   | written at | row of (backend u32, count u32)    |   a value, by its place's number
//   | u64  | u64, ns    |                                    |
//   +------+------------+------------------------------------+
//
// A VM takes the first place that is free: never used, empty, or not written for DEAD_AFTER, which
// a living VM with connections never is. So nothing stays of a VM that has trapped. Places are read
// up to the first that was never used.

import { STATUS_OK } from "../abi/codes";
import { allocate, release, returnedBytes, returnedSize } from "../abi/memory";
import { steadyNow } from "../host/clock";
import { ABSENT_CAS, ANY_CAS, readShared, returnedCas, writeShared } from "../host/shared-data";
import { vmNumber } from "../pick/chance";
import { LOAD_KEY_BYTES, loadKey } from "../table/keys";
import { hasChanged, hasConnections, noteWritten } from "./connections";
import { addOthers, allOf, forgetOthers, numberOf, ownAt, ownSlots } from "./loads";

const SECOND: u64 = 1000000000;
/** A tick may come a little early. */
const WRITE_AFTER: u64 = 900000000;
const WRITE_MILLISECONDS: u32 = 1000;
/** What has not changed is written to show that the VM lives. */
const RENEW_AFTER: u64 = 5 * SECOND;
const RENEW_MILLISECONDS: u32 = 5000;
const DEAD_AFTER: u64 = 20 * SECOND;

const MOST_PLACES: u32 = 1024;
const NO_PLACE: u32 = 0xffffffff;
const WRITTEN_AT_OFFSET: u32 = 8;
const HEADER_BYTES: u32 = 16;
const COUNT_BYTES: u32 = 8;

let place: u32 = NO_PLACE;
let writtenAt: u64 = 0;
let readAt: u64 = 0;

/** Reports whether the value that was read is a living VM's. */
function isAlive(now: u64): bool {
  if (returnedSize() < HEADER_BYTES) return false;
  const at = load<u64>(returnedBytes() + WRITTEN_AT_OFFSET);
  // Another worker's clock may have been read later.
  return at >= now || now - at < DEAD_AFTER;
}

function isOwn(): bool {
  return returnedSize() >= HEADER_BYTES && load<u64>(returnedBytes()) === vmNumber();
}

/** Reports whether this VM's place still has its value. */
function hasPlace(): bool {
  if (place === NO_PLACE || readShared(loadKey(place), LOAD_KEY_BYTES) !== STATUS_OK) return false;
  const isStill = isOwn();
  release(returnedBytes());
  return isStill;
}

/** Takes a free place; there may be none, and then others do not learn of this VM. */
function takePlace(value: usize, size: u32, now: u64): void {
  place = NO_PLACE;
  for (let i: u32 = 0; i < MOST_PLACES; i++) {
    if (readShared(loadKey(i), LOAD_KEY_BYTES) !== STATUS_OK) return;
    const isFree = !isAlive(now);
    const cas = returnedCas();
    release(returnedBytes());
    if (!isFree || writeShared(loadKey(i), LOAD_KEY_BYTES, value, size, cas) !== STATUS_OK)
      continue;
    place = i;
    return;
  }
}

function writeCounts(now: u64): void {
  const value = allocate(HEADER_BYTES + ownSlots() * COUNT_BYTES);
  store<u64>(value, vmNumber());
  store<u64>(value + WRITTEN_AT_OFFSET, now);
  let size = HEADER_BYTES;
  for (let i: u32 = 0; i < ownSlots(); i++) {
    const count = ownAt(i);
    if (load<u32>(count, 4) === 0) continue;
    memory.copy(value + size, count, COUNT_BYTES);
    size += COUNT_BYTES;
  }
  if (hasPlace()) writeShared(loadKey(place), LOAD_KEY_BYTES, value, size, ANY_CAS);
  else takePlace(value, size, now);
  release(value);
}

/** Empties this VM's place, for another VM. */
function leavePlace(): void {
  if (hasPlace()) writeShared(loadKey(place), LOAD_KEY_BYTES, 0, 0, ANY_CAS);
  place = NO_PLACE;
}

/** Writes this VM's counts in a tick, when it is time. Returns the ticks that it needs, ms. */
export function writeByTick(now: u64): u32 {
  if (!hasChanged() && !hasConnections()) return 0;
  const passed = now - writtenAt;
  if (hasChanged() && passed < WRITE_AFTER) return WRITE_MILLISECONDS;
  if (hasChanged() || passed >= RENEW_AFTER) {
    writtenAt = now;
    noteWritten();
    if (hasConnections()) writeCounts(now);
    else leavePlace();
  }
  return hasConnections() ? RENEW_MILLISECONDS : 0;
}

function addRow(row: usize, end: usize): void {
  for (; row + COUNT_BYTES <= end; row += COUNT_BYTES) addOthers(load<u32>(row), load<u32>(row, 4));
}

/** Reads what other VMs have, unless it did within the last second. */
export function learnOthers(): void {
  const now = steadyNow();
  if (now - readAt < SECOND) return;
  readAt = now;
  forgetOthers();
  for (let i: u32 = 0; i < MOST_PLACES; i++) {
    if (readShared(loadKey(i), LOAD_KEY_BYTES) !== STATUS_OK) return;
    const isLast = returnedCas() === ABSENT_CAS;
    const bytes = returnedBytes();
    if (isAlive(now) && !isOwn()) addRow(bytes + HEADER_BYTES, bytes + returnedSize());
    release(bytes);
    if (isLast) return;
  }
}

/** Returns how many connections a backend of `bytes` has, as far as this VM knows. */
export function connectionsTo(backend: usize, bytes: u32): u32 {
  return allOf(numberOf(backend, bytes));
}
