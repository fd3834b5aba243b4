// The function that the plugin calls for a pick: (slot, count, state, fuel) → an answer as in
// outcome.ts. It catches all that a function of a slot throws.

import { CodeWriter } from "./code-writer.ts";
import { EMPTY, I32, OP } from "./opcodes.ts";
import { ANY_BACKEND, thrownFor } from "./outcome.ts";

const SLOT = 0;
const COUNT = 1;
const STATE = 2;
const FUEL = 3;
const THROWN_LOCAL = 4;

/** In try_table: a number thrown with tag 0 goes to the end of the block around it. */
const CATCH = 0;
const CATCH_TAG = 0;

/** Returns its body. `slots`: by slot the function to call; undefined where there is none. */
export function dispatcher(
  slots: readonly (number | undefined)[],
  fuelGlobal: number,
  countGlobal: number,
): Uint8Array {
  const code = new CodeWriter().u32(1).u32(1).u8(I32);
  code.localGet(FUEL).globalSet(fuelGlobal).localGet(COUNT).globalSet(countGlobal);
  code.u8(OP.block, I32, OP.tryTable, EMPTY).u32(1).u8(CATCH).u32(CATCH_TAG).u32(0);
  callSlot(code, slots);
  code.u8(OP.end);
  code.i32(thrownFor("noFunction", 0)).u8(OP.end);
  code.localSet(THROWN_LOCAL).i32(ANY_BACKEND).localGet(THROWN_LOCAL).u8(OP.i32Sub, OP.end);
  return code.written();
}

/** Returns from the dispatcher with the slot's answer; falls through where it has none. */
function callSlot(code: CodeWriter, slots: readonly (number | undefined)[]): void {
  const targets = slots.flatMap((target) => (target === undefined ? [] : [target]));
  let used = 0;
  const labels = slots.map((target) => (target === undefined ? targets.length : used++));
  for (let block = 0; block <= targets.length; block++) code.u8(OP.block, EMPTY);
  code.localGet(SLOT).u8(OP.brTable);
  code.list(labels, (label) => code.u32(label)).u32(targets.length);
  code.u8(OP.end);
  for (const target of targets) code.localGet(STATE).call(target).u8(OP.return, OP.end);
}
