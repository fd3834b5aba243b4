// The table endpoint's answer about functions that failed (wire/function-failures-layout.ts).

import { STATUS_OK } from "../abi/codes";
import { allocate, release, returnedBytes, returnedSize } from "../abi/memory";
import { readShared } from "../host/shared-data";
import { FUNCTION_KEY_BYTES, functionKey } from "../table/keys";
import {
  FUNCTION_FAILURE_ANSWER_OFFSET,
  FUNCTION_FAILURE_BYTES,
  FUNCTION_FAILURE_STORED_BYTES,
  MAX_FUNCTION_FAILURES,
} from "../wire/function-failures-layout";
import { MAX_FUNCTIONS } from "../wire/layout";
import { sendBytes, sendRangeError } from "./answer";
import { parseQuery, queryCount, queryFirst } from "./dump-query";

/** Copies the entries of a slot to `out`; returns their size there. */
function copyFailures(slot: u32, out: usize): u32 {
  if (readShared(functionKey(slot), FUNCTION_KEY_BYTES) !== STATUS_OK) return 0;
  const stored = returnedBytes();
  const entries = min(returnedSize() / FUNCTION_FAILURE_STORED_BYTES, MAX_FUNCTION_FAILURES);
  for (let i: u32 = 0; i < entries; i++) {
    const entry = out + i * FUNCTION_FAILURE_BYTES;
    store<u32>(entry, slot);
    const from = stored + i * FUNCTION_FAILURE_STORED_BYTES;
    memory.copy(entry + FUNCTION_FAILURE_ANSWER_OFFSET, from, FUNCTION_FAILURE_STORED_BYTES);
  }
  release(stored);
  return entries * FUNCTION_FAILURE_BYTES;
}

/** Answers with the failures in the slots of the query. */
export function answerFunctions(query: usize, size: u32): u32 {
  if (!parseQuery(query, query + size, MAX_FUNCTIONS)) {
    return sendRangeError("functions wants ?first=S&count=N, slots", MAX_FUNCTIONS);
  }
  const most = queryCount() * MAX_FUNCTION_FAILURES * FUNCTION_FAILURE_BYTES;
  const answer = allocate(most);
  let written: u32 = 0;
  for (let i: u32 = 0; i < queryCount(); i++) {
    written += copyFailures(queryFirst() + i, answer + written);
  }
  const action = sendBytes(answer, written);
  release(answer);
  return action;
}
