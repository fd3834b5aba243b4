// Balancing "weighted": at random, each backend in proportion to its weight. What is kept of a long
// list is the sums of its weights up to each backend.

import { allocate, release } from "../abi/memory";
import { backendBytes, backendCount, isChunked, recordKey } from "../table/record";
import { copyList, keepFor, keptFor } from "../table/whole-list";
import { below } from "./chance";
import { backendAt } from "./list";

const SUM_BYTES: u32 = 4;

/** Returns the weight of a backend of `bytes`, 1 where none is given. */
function weightOf(backend: usize, bytes: u32): u32 {
  return max<u32>(load<u8>(backend + bytes - 1), 1);
}

function proposeInShort(record: usize): u32 {
  const count = backendCount(record);
  const bytes = backendBytes(recordKey(record));
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) sum += weightOf(backendAt(record, i), bytes);
  let left = below(sum);
  let index: u32 = 0;
  for (let weight = weightOf(backendAt(record, 0), bytes); left >= weight; ) {
    left -= weight;
    weight = weightOf(backendAt(record, ++index), bytes);
  }
  return index;
}

/** Returns the sums, kept; 0 when the list cannot be read. */
function sumsOf(record: usize): usize {
  const kept = keptFor(record);
  if (kept !== 0) return kept;
  const list = copyList(record);
  if (list === 0) return 0;
  const count = backendCount(record);
  const bytes = backendBytes(recordKey(record));
  const sums = allocate(count * SUM_BYTES);
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    sum += weightOf(list + i * bytes, bytes);
    store<u32>(sums + i * SUM_BYTES, sum);
  }
  release(list);
  keepFor(record, sums, count * SUM_BYTES);
  return sums;
}

function proposeInLong(record: usize): u32 {
  const count = backendCount(record);
  const sums = sumsOf(record);
  if (sums === 0) return count;
  const wanted = below(load<u32>(sums + (count - 1) * SUM_BYTES));
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(sums + middle * SUM_BYTES) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Proposes each backend as often as its weight says. */
export function proposeByWeight(record: usize): u32 {
  return isChunked(record) ? proposeInLong(record) : proposeInShort(record);
}
