// The function that a record names → the index of its pick. Only the build that takes functions has
// any (with-functions.ts); in the other, and wherever a function does not pick, the record's
// balancing applies.

import { namedFunction } from "../table/record";

/** The function does not pick: balancing applies. */
export const NO_INDEX: i32 = -1;

/** (record, slot) → an index in the record's list, or NO_INDEX. */
type Ask = (record: usize, slot: u32) => i32;

function askNobody(_record: usize, _slot: u32): i32 {
  return NO_INDEX;
}

let ask: Ask = askNobody;

/** Sets how functions are asked, when the VM starts. */
export function setAsk(wanted: Ask): void {
  ask = wanted;
}

/** Returns an index in the list of a record that names a function, or NO_INDEX. */
export function indexByFunction(record: usize): i32 {
  return ask(record, namedFunction(record) - 1);
}
