// Balancing "failover": at random among the preferred backends, while one of them is not left out;
// then among the others. What is kept of a long list is the indexes of its backends, the preferred
// ones first.

import { STATUS_OK } from "../abi/codes";
import { backendFlags } from "../table/backends";
import { backendBytes, backendCount, isChunked, recordKey } from "../table/record";
import { workedOut } from "../table/whole-list";
import { BACKEND_FLAG_PREFERRED, BACKEND_IPV6_BYTES, BALANCING_FAILOVER } from "../wire/layout";
import { below } from "./chance";
import { isLeftOut, leftOutCount } from "./left-out";
import { backendAt, copyBackend } from "./list";

/** Draws from a long list, before it is searched from some place. */
const DRAWS: u32 = 8;
const INDEX_BYTES: u32 = 4;

function isPreferred(backend: usize, bytes: u32): bool {
  return (backendFlags(backend, bytes) & BACKEND_FLAG_PREFERRED) !== 0;
}

/** Proposes one of a short list's backends that are preferred, or are not; the count for none. */
function proposeOf(record: usize, wanted: bool): u32 {
  const count = backendCount(record);
  const bytes = backendBytes(recordKey(record));
  const heeds = leftOutCount() !== 0;
  let candidates: u32 = 0;
  let proposed = count;
  for (let i: u32 = 0; i < count; i++) {
    const backend = backendAt(record, i);
    if (isPreferred(backend, bytes) !== wanted) continue;
    if (heeds && isLeftOut(record, backend)) continue;
    // Each of those so far is as likely.
    if (below(++candidates) === 0) proposed = i;
  }
  return proposed;
}

//    0           4
//   +-----------+---------------------------+
//   | how many  | indexes, u32: preferred   |
//   | preferred | ones first                |
//   +-----------+---------------------------+

/** The list in this order. */
function workOutOrder(list: usize, count: u32, bytes: u32, order: usize): void {
  let preferred: u32 = 0;
  let others = count;
  for (let i: u32 = 0; i < count; i++) {
    const place = isPreferred(list + i * bytes, bytes) ? ++preferred : others--;
    store<u32>(order + place * INDEX_BYTES, i);
  }
  store<u32>(order, preferred);
}

const asked: usize = memory.data(BACKEND_IPV6_BYTES);

/** Proposes one of `size` indexes; the list's count where all of them are left out. */
function proposeFrom(record: usize, indexes: usize, size: u32): u32 {
  if (size === 0) return backendCount(record);
  const leftOut = leftOutCount();
  if (leftOut === 0) return load<u32>(indexes + below(size) * INDEX_BYTES);
  const start = below(size);
  const steps = DRAWS + min(size, leftOut + 1);
  for (let i: u32 = 0; i < steps; i++) {
    const at = i < DRAWS ? below(size) : (start + i) % size;
    const index = load<u32>(indexes + at * INDEX_BYTES);
    if (copyBackend(record, index, asked) !== STATUS_OK) return index;
    if (!isLeftOut(record, asked)) return index;
  }
  return backendCount(record);
}

function proposeInLong(record: usize): u32 {
  const count = backendCount(record);
  const size = (count + 1) * INDEX_BYTES;
  const order = workedOut(record, BALANCING_FAILOVER, size, workOutOrder);
  if (order === 0) return count;
  const preferred = load<u32>(order);
  const first = proposeFrom(record, order + INDEX_BYTES, preferred);
  if (first !== count) return first;
  return proposeFrom(record, order + (preferred + 1) * INDEX_BYTES, count - preferred);
}

/** Proposes a preferred one, or else another. */
export function proposePreferred(record: usize): u32 {
  if (isChunked(record)) return proposeInLong(record);
  const first = proposeOf(record, true);
  return first !== backendCount(record) ? first : proposeOf(record, false);
}
