// Balancing "weighted": at random, each backend in proportion to its weight. What is kept of a long
// list is the sums of its weights up to each backend.

import { backendBytes, backendCount, isChunked, recordKey } from "../table/record";
import { workedOut } from "../table/whole-list";
import { BALANCING_WEIGHTED } from "../wire/layout";
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

/** A row of the sums. */
function workOutSums(list: usize, count: u32, bytes: u32, sums: usize): void {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    sum += weightOf(list + i * bytes, bytes);
    store<u32>(sums + i * SUM_BYTES, sum);
  }
}

function proposeInLong(record: usize): u32 {
  const count = backendCount(record);
  const sums = workedOut(record, BALANCING_WEIGHTED, count * SUM_BYTES, workOutSums);
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
