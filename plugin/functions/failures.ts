// Functions that fail: how often and where each did, in shared data for the table endpoint
// (wire/function-failures-layout.ts), and which are not asked for a while. So one that always fails
// costs a few microseconds in five seconds, and not for each connection.

import { STATUS_CAS_MISMATCH, STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { steadyNow } from "../host/clock";
import { readShared, returnedCas, writeShared } from "../host/shared-data";
import { FUNCTION_KEY_BYTES, functionKey } from "../table/keys";
import {
  FUNCTION_FAILURE_ANSWER_OFFSET,
  FUNCTION_FAILURE_COUNT_OFFSET,
  FUNCTION_FAILURE_STORED_BYTES,
  MAX_FUNCTION_FAILURES,
} from "../wire/function-failures-layout";
import { MAX_FUNCTIONS } from "../wire/layout";

/** Failures in a row after which a function is not asked … */
const MOST_IN_A_ROW: u32 = 10;
/** … for so long (ns). Then each further failure has it left out again. */
const PAUSE: u64 = 5000000000;
/** How often other workers may write between reading and writing here. */
const ATTEMPTS: u32 = 8;

const ENTRY_BYTES: u32 = FUNCTION_FAILURE_STORED_BYTES;
const COUNT_OFFSET: u32 = FUNCTION_FAILURE_COUNT_OFFSET - FUNCTION_FAILURE_ANSWER_OFFSET;
const entries: usize = memory.data(MAX_FUNCTION_FAILURES * ENTRY_BYTES);

@unmanaged
class Failing {
  /** Monotonic clock, ns; it counts while inARow is MOST_IN_A_ROW. */
  until: u64;
  inARow: u32;
}

const failing: usize = memory.data(MAX_FUNCTIONS * offsetof<Failing>(), 8);

function failingOf(slot: u32): Failing {
  return changetype<Failing>(failing + slot * offsetof<Failing>());
}

/** Reports whether the function of a slot is left out, because it failed often. */
export function isLeftOut(slot: u32): bool {
  const present = failingOf(slot);
  return present.inARow === MOST_IN_A_ROW && steadyNow() < present.until;
}

/** Notes that it picked. */
export function noteSuccess(slot: u32): void {
  failingOf(slot).inARow = 0;
}

/** Notes that it failed with this answer, here and for the table endpoint. */
export function noteFailure(slot: u32, answer: i32): void {
  const present = failingOf(slot);
  present.inARow = min(present.inARow + 1, MOST_IN_A_ROW);
  if (present.inARow === MOST_IN_A_ROW) present.until = steadyNow() + PAUSE;
  let status = STATUS_CAS_MISMATCH;
  for (let i: u32 = 0; i < ATTEMPTS && status === STATUS_CAS_MISMATCH; i++) {
    status = addToShared(slot, answer);
  }
}

function addToShared(slot: u32, answer: i32): u32 {
  const status = readShared(functionKey(slot), FUNCTION_KEY_BYTES);
  if (status !== STATUS_OK) return status;
  const cas = returnedCas();
  const size = min(returnedSize(), MAX_FUNCTION_FAILURES * ENTRY_BYTES) & ~(ENTRY_BYTES - 1);
  memory.copy(entries, returnedBytes(), size);
  release(returnedBytes());
  let at: u32 = 0;
  while (at < size && load<i32>(entries + at) !== answer) at += ENTRY_BYTES;
  if (at === MAX_FUNCTION_FAILURES * ENTRY_BYTES) at -= ENTRY_BYTES;
  const isNew = at === size;
  store<i32>(entries + at, answer);
  const count: u32 = isNew ? 0 : load<u32>(entries + at + COUNT_OFFSET);
  store<u32>(entries + at + COUNT_OFFSET, count + 1);
  const newSize = isNew ? size + ENTRY_BYTES : size;
  return writeShared(functionKey(slot), FUNCTION_KEY_BYTES, entries, newSize, cas);
}
