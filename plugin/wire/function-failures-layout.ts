// What the plugin reports about functions that failed, as read from the table endpoint: entries in
// a row, in ascending order of their slots. Numbers only; compiled by both asc and tsc. Little
// endian.
//
//    0       4         8       12
//   +-------+---------+-------+
//   | slot  | answer  | count |
//   | u32   | i32     | u32   |
//   +-------+---------+-------+
//
// answer: what the dispatcher returned, below -1 (controller/linker/outcome.ts): why, and where in
// the function's module. count: how often. A function in a slot keeps its entries until Envoy ends;
// in shared data the value of a slot is a row of entries without their first field.

/** Increase it when the form changes; what was counted before is then forgotten. */
export const FUNCTION_FAILURES_VERSION: u32 = 1;

export const FUNCTION_FAILURE_BYTES: u32 = 12;
export const FUNCTION_FAILURE_SLOT_OFFSET: u32 = 0; // u32
export const FUNCTION_FAILURE_ANSWER_OFFSET: u32 = 4; // i32
export const FUNCTION_FAILURE_COUNT_OFFSET: u32 = 8; // u32

/** An entry in shared data. */
export const FUNCTION_FAILURE_STORED_BYTES: u32 =
  FUNCTION_FAILURE_BYTES - FUNCTION_FAILURE_ANSWER_OFFSET;

/** The most entries of one slot; further kinds of failure count as the last one. */
export const MAX_FUNCTION_FAILURES: u32 = 16;
