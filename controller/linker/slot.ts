// The function of one slot: (address of the state) → the pick of its function. Before the call it
// brings globals and static data back to what asc wrote, and fetches the state; after a success it
// returns the state. So nothing but the state lasts from one call to the next.

import { CodeWriter } from "./code-writer.ts";
import { STATE_BYTES, STATE_OFFSET } from "./limits.ts";
import type { LinkedModule } from "./linked-module.ts";
import { EMPTY, I32, OP, PREFIXED } from "./opcodes.ts";
import { ANY_BACKEND } from "./outcome.ts";
import { OWN_MEMORY, rewriteCode, type SlotPlan } from "./rewrite.ts";

const STATE_PARAMETER = 0;
const ANSWER_LOCAL = 1;
const PLUGIN_MEMORY = 0;

/** Adds all of the slot's functions. Returns the index of the one to call. */
export function addSlot(linked: LinkedModule, plan: SlotPlan): number {
  const { module, surveys } = plan.checked;
  module.functions.forEach((code, index) => {
    const survey = surveys[index];
    const type = module.types[code.type];
    if (!survey || !type) throw new Error(`function ${index} was not checked`);
    linked.addFunction(linked.type(type), rewriteCode(plan, code, survey));
  });
  return linked.addFunction(linked.type({ params: [I32], results: [I32] }), entry(linked, plan));
}

/** Adds the module's globals, with the parameters' values. */
export function addGlobals(linked: LinkedModule, plan: SlotPlan): void {
  const { module } = plan.checked;
  module.globals.forEach((global, index) => {
    linked.addGlobal(global.type, global.isMutable, initialOf(plan, index));
  });
}

function initialOf({ checked }: SlotPlan, global: number): Uint8Array {
  const parameter = checked.parameters.find((each) => each.global === global);
  return parameter?.initial ?? checked.module.globals[global]?.initial ?? new Uint8Array();
}

function entry(linked: LinkedModule, plan: SlotPlan): Uint8Array {
  const { checked, firstFunction } = plan;
  const code = new CodeWriter().u32(1).u32(1).u8(I32);
  resetGlobals(code, plan);
  resetData(code, linked, plan);
  if (checked.usesState) copyState(code, plan, "in");
  const own = (index: number) => firstFunction + index - checked.imports.length;
  if (checked.module.start !== undefined) code.call(own(checked.module.start));
  code.call(own(checked.run)).u8(OP.localTee).u32(ANSWER_LOCAL);
  throwUnlessListed(code, plan);
  if (checked.usesState) copyState(code, plan, "out");
  return code.localGet(ANSWER_LOCAL).u8(OP.end).written();
}

function resetGlobals(code: CodeWriter, plan: SlotPlan): void {
  const assigned = new Set(plan.checked.surveys.flatMap((survey) => [...survey.assigned]));
  for (const index of [...assigned].sort((one, other) => one - other)) {
    code.bytes(initialOf(plan, index)).globalSet(plan.firstGlobal + index);
  }
}

/** Data that no code can change is put there once. */
function resetData(code: CodeWriter, linked: LinkedModule, plan: SlotPlan): void {
  const { data, hasStores } = plan.checked;
  if (!hasStores) {
    for (const { offset, bytes } of data) linked.addData(plan.base + offset, bytes);
    return;
  }
  if (data.length === 0) return;
  const first = Math.min(...data.map(({ offset }) => offset));
  const end = Math.max(...data.map(({ offset, bytes }) => offset + bytes.length));
  code.zeros(plan.base + first, end - first, OWN_MEMORY);
  for (const { offset, bytes } of data) {
    const index = linked.addPassiveData(bytes);
    code
      .i32(plan.base + offset)
      .i32(0)
      .i32(bytes.length);
    code.prefixed(PREFIXED.memoryInit).u32(index).u32(OWN_MEMORY);
  }
}

function copyState(code: CodeWriter, { base }: SlotPlan, direction: "in" | "out"): void {
  if (direction === "in") code.i32(base + STATE_OFFSET).localGet(STATE_PARAMETER);
  else code.localGet(STATE_PARAMETER).i32(base + STATE_OFFSET);
  const [to, from] = direction === "in" ? [OWN_MEMORY, PLUGIN_MEMORY] : [PLUGIN_MEMORY, OWN_MEMORY];
  code.i32(STATE_BYTES).prefixed(PREFIXED.memoryCopy).u32(to).u32(from);
}

/** The answer is on the stack. */
function throwUnlessListed(code: CodeWriter, { countGlobal }: SlotPlan): void {
  code.globalGet(countGlobal).u8(OP.i32LtU);
  code.localGet(ANSWER_LOCAL).i32(ANY_BACKEND).u8(OP.i32Eq, OP.i32Or, OP.i32Eqz);
  code.u8(OP.if, EMPTY).throwFor("range", 0).u8(OP.end);
}
