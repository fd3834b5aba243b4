// One limited ServicePort in shared data, by its service id: how many connections each VM has, and
// how many new ones it may have. A VM writes its own count only, and always all of it, so that
// writing it again repairs what was lost.
//
//    0            8
//   +------------+-----------------------+
//   | spent      | counts, of VMs that   |
//   | until      | have connections      |
//   | u64, ns    | (COUNT_BYTES each)    |
//   +------------+-----------------------+
//
//    0        8            16      20
//   +--------+------------+-------+------+
//   | VM     | written at | count | zero |
//   | u64    | u64, ns    | u32   |      |
//   +--------+------------+-------+------+
//
// Each VM with connections writes its count every second. One that has not for DEAD_NANOSECONDS has
// trapped or is gone, and does not count: so no count stays for ever. A VM that was only stopped
// for so long is counted again with its next tick.

import { STATUS_OK } from "../abi/codes";
import { allocate, release, returnedBytes, returnedSize } from "../abi/memory";
import { readShared, returnedCas, writeShared } from "../host/shared-data";
import { vmNumber } from "../pick/chance";
import { LIMIT_KEY_BYTES, limitKey } from "../table/keys";

const COUNTS_OFFSET: u32 = 8;
const COUNT_BYTES: u32 = 24;
const DEAD_NANOSECONDS: u64 = 10000000000;

@unmanaged
class Count {
  vm: u64;
  writtenAt: u64;
  count: u32;
  zero: u32;
}

/** What was read, without this VM's count, and with room for it. */
let bytes: usize = 0;
let capacity: u32 = 0;
let size: u32 = 0;
let cas: u32 = 0;
let others: u32 = 0;

/** Returns the connections of other VMs, as read last. */
export function othersCount(): u32 {
  return others;
}

/** Returns the time until which the allowance of new connections is spent, as read last; ns. */
export function spentUntil(): u64 {
  return load<u64>(bytes);
}

/** Sets it, for writeCounts. */
export function setSpentUntil(time: u64): void {
  store<u64>(bytes, time);
}

function isAlive(count: Count, now: u64): bool {
  // Another VM's clock may have been read later.
  return count.writtenAt >= now || now - count.writtenAt < DEAD_NANOSECONDS;
}

function makeRoom(wanted: u32): void {
  if (wanted <= capacity) return;
  release(bytes);
  bytes = allocate(wanted);
  capacity = wanted;
}

/** Takes over the counts of other living VMs. */
function takeOthers(from: usize, end: usize, now: u64): void {
  const own = vmNumber();
  others = 0;
  size = COUNTS_OFFSET;
  for (let at = from; at + COUNT_BYTES <= end; at += COUNT_BYTES) {
    const count = changetype<Count>(at);
    if (count.vm === own || !isAlive(count, now)) continue;
    others += count.count;
    memory.copy(bytes + size, at, COUNT_BYTES);
    size += COUNT_BYTES;
  }
}

/** Reads a ServicePort's counts; returns a status. */
export function readCounts(serviceId: u64, now: u64): u32 {
  const status = readShared(limitKey(serviceId), LIMIT_KEY_BYTES);
  if (status !== STATUS_OK) return status;
  const value = returnedBytes();
  const isWhole = returnedSize() >= COUNTS_OFFSET;
  cas = returnedCas();
  makeRoom(max(returnedSize(), COUNTS_OFFSET) + COUNT_BYTES);
  store<u64>(bytes, isWhole ? load<u64>(value) : 0);
  takeOthers(value + COUNTS_OFFSET, isWhole ? value + returnedSize() : 0, now);
  release(value);
  return STATUS_OK;
}

/** Writes what was read back, with this count of this VM; returns a status. */
export function writeCounts(serviceId: u64, count: u32, now: u64): u32 {
  if (count > 0) {
    const added = changetype<Count>(bytes + size);
    added.vm = vmNumber();
    added.writtenAt = now;
    added.count = count;
    added.zero = 0;
    size += COUNT_BYTES;
  }
  return writeShared(limitKey(serviceId), LIMIT_KEY_BYTES, bytes, size, cas);
}
