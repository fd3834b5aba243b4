// "?first=0&count=512" → which buckets of the table, or pages of counts, to answer with.

import { isText } from "../host/text";

const QUESTION_MARK: u8 = 0x3f;
const AMPERSAND: u8 = 0x26;
const EQUALS: u8 = 0x3d;

let first: u32 = 0;
let count: u32 = 0;
/** How many exist. */
let total: u32 = 0;

/** Returns the first, below the total. */
export function queryFirst(): u32 {
  return first;
}

/** Returns how many, from 1 to the rest after the first. */
export function queryCount(): u32 {
  return min(count, total - first);
}

/** Returns the number from `at` to `end`; total + 1 when it is larger or not a number. */
function number(at: usize, end: usize): u32 {
  if (at === end) return total + 1;
  let value: u32 = 0;
  for (; at < end; at++) {
    const digit = <u32>load<u8>(at) - 0x30;
    if (digit > 9) return total + 1;
    value = min(value * 10 + digit, total + 1);
  }
  return value;
}

function find(at: usize, end: usize, byte: u8): usize {
  while (at < end && load<u8>(at) !== byte) at++;
  return at;
}

/** Reads the query; missing parts mean all of `available`. False when it is invalid. */
export function parseQuery(query: usize, end: usize, available: u32): bool {
  total = available;
  first = 0;
  count = total;
  let at = query;
  if (at < end && load<u8>(at) === QUESTION_MARK) at++;
  while (at < end) {
    const next = find(at, end, AMPERSAND);
    const equals = find(at, next, EQUALS);
    if (equals === next) return false;
    const value = number(equals + 1, next);
    if (isText(at, <u32>(equals - at), "first")) first = value;
    else if (isText(at, <u32>(equals - at), "count")) count = value;
    else return false;
    at = next + 1;
  }
  return first < total && count >= 1 && count <= total;
}
