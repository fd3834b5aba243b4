// "?first=0&count=512" → which buckets to dump.

import { isText } from "../host/text";
import { BUCKET_COUNT } from "../wire/layout";

const QUESTION_MARK: u8 = 0x3f;
const AMPERSAND: u8 = 0x26;
const EQUALS: u8 = 0x3d;

let first: u32 = 0;
let count: u32 = 0;

/** First bucket, below BUCKET_COUNT. */
export function queryFirst(): u32 {
  return first;
}

/** Number of buckets, from 1 to BUCKET_COUNT; the table may end before. */
export function queryCount(): u32 {
  return count;
}

/** The digits from `at` to `end`; BUCKET_COUNT + 1 when they are no number or a larger one. */
function number(at: usize, end: usize): u32 {
  if (at === end) return BUCKET_COUNT + 1;
  let value: u32 = 0;
  for (; at < end; at++) {
    const digit = <u32>load<u8>(at) - 0x30;
    if (digit > 9) return BUCKET_COUNT + 1;
    value = min(value * 10 + digit, BUCKET_COUNT + 1);
  }
  return value;
}

function find(at: usize, end: usize, byte: u8): usize {
  while (at < end && load<u8>(at) !== byte) at++;
  return at;
}

/** Reads the query; what is not in it means all buckets. False when it is wrong. */
export function parseQuery(query: usize, end: usize): bool {
  first = 0;
  count = BUCKET_COUNT;
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
  return first < BUCKET_COUNT && count >= 1 && count <= BUCKET_COUNT;
}
