// The table endpoint's answer about functions that failed → what it says
// (plugin/wire/function-failures-layout.ts).

import {
  FUNCTION_FAILURE_ANSWER_OFFSET,
  FUNCTION_FAILURE_BYTES,
  FUNCTION_FAILURE_COUNT_OFFSET,
  FUNCTION_FAILURE_SLOT_OFFSET,
} from "../../plugin/wire/function-failures-layout.ts";

export interface FunctionFailure {
  slot: number;
  /** What the dispatcher returned (controller/linker/outcome.ts): why, and where. */
  answer: number;
  /** How often, since Envoy started. */
  count: number;
}

/** Returns the entries in ascending order of slots; a part at the end is left out. */
export function functionFailuresFrom(bytes: Uint8Array): FunctionFailure[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Math.floor(bytes.length / FUNCTION_FAILURE_BYTES);
  return Array.from({ length }, (_, index) => {
    const at = index * FUNCTION_FAILURE_BYTES;
    return {
      slot: view.getUint32(at + FUNCTION_FAILURE_SLOT_OFFSET, true),
      answer: view.getInt32(at + FUNCTION_FAILURE_ANSWER_OFFSET, true),
      count: view.getUint32(at + FUNCTION_FAILURE_COUNT_OFFSET, true),
    };
  });
}
