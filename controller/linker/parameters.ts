// Exported variables of a function that its code never sets, which a Service may set:
// `export let share: i32 = 10`. The linker changes their first value, so each set of parameters is
// a slot of its own.

import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type Export, type Global, KIND_GLOBAL, type Module } from "./module.ts";
import { F32, F64, I32, I64, OP } from "./opcodes.ts";
import { refuse } from "./refusal.ts";
import type { Survey } from "./survey.ts";

const TYPE_NAMES = new Map([
  [I32, "i32"],
  [I64, "i64"],
  [F32, "f32"],
  [F64, "f64"],
] as const);

/** A change of it says that the numbers in `state` now mean something else. */
const STATE_SHAPE = "stateShape";

export interface Parameter {
  /** As exported. */
  readonly name: string;
  /** An i32 may be bool or u32 in the source. */
  readonly type: "i32" | "i64" | "f32" | "f64";
  /** Index of the global. */
  readonly global: number;
  readonly value: number;
  /** The instruction that gives the value. */
  readonly initial: Uint8Array;
}

/**
 * Returns the function's parameters with the values given for them, else those of its source.
 * Throws RefusedError for a name that it does not have, and for a value that does not fit.
 */
export function parametersOf(
  module: Module,
  surveys: readonly Survey[],
  given: Readonly<Record<string, number | boolean>>,
): Parameter[] {
  const assigned = new Set(surveys.flatMap((survey) => [...survey.assigned]));
  const exported = module.exports.filter(
    (each) => isParameter(module, each) && !assigned.has(each.index),
  );
  const unknown = Object.keys(given).find((name) => !exported.some((each) => each.name === name));
  if (unknown !== undefined) {
    const names = exported.map(({ name }) => name).join(", ") || "none";
    refuse(`it has no parameter "${unknown}"; its parameters are: ${names}`);
  }
  return exported.map((each) => {
    const global = globalOf(module, each);
    const type = TYPE_NAMES.get(global.type as typeof I32) ?? "i32";
    const value = Object.hasOwn(given, each.name) ? given[each.name] : undefined;
    const initial =
      value === undefined ? global.initial : initialOf(each.name, type, Number(value));
    return { name: each.name, type, global: each.index, value: numberOf(initial), initial };
  });
}

/** Returns the value of the exported variable stateShape; 0 without it. */
export function stateShapeOf(module: Module): number {
  const exported = module.exports.find(
    ({ name, kind }) => name === STATE_SHAPE && kind === KIND_GLOBAL,
  );
  return exported ? numberOf(globalOf(module, exported).initial) : 0;
}

function isParameter(module: Module, { name, kind, index }: Export): boolean {
  return kind === KIND_GLOBAL && name !== STATE_SHAPE && module.globals[index]?.isMutable === true;
}

function globalOf(module: Module, { name, index }: Export): Global {
  return module.globals[index] ?? refuse(`it exports ${name}, which does not exist`);
}

function initialOf(name: string, type: Parameter["type"], value: number): Uint8Array {
  const isFloat = type === "f32" || type === "f64";
  if (!Number.isFinite(value)) refuse(`parameter "${name}" is not a number`);
  if (!isFloat && !Number.isSafeInteger(value)) refuse(`parameter "${name}" is not an integer`);
  // As i32 or as u32: the module does not say which of the two its source has.
  const isTooLarge = type === "i32" && (value < -(2 ** 31) || value >= 2 ** 32);
  if (isTooLarge) refuse(`parameter "${name}" does not fit into 32 bits`);
  const code = new ByteWriter();
  if (type === "i32") return code.u8(OP.i32Const).s32(value).written();
  if (type === "i64") return code.u8(OP.i64Const).s64(BigInt(value)).written();
  const bytes = new DataView(new ArrayBuffer(type === "f32" ? 4 : 8));
  if (type === "f32") bytes.setFloat32(0, value, true);
  else bytes.setFloat64(0, value, true);
  const op = type === "f32" ? OP.f32Const : OP.f64Const;
  return code.u8(op).bytes(new Uint8Array(bytes.buffer)).written();
}

function numberOf(initial: Uint8Array): number {
  const reader = new ByteReader(initial, 1);
  if (initial[0] === OP.i32Const) return reader.s32();
  if (initial[0] === OP.i64Const) return Number(reader.s64());
  const view = new DataView(initial.buffer, initial.byteOffset + 1);
  return initial[0] === OP.f32Const ? view.getFloat32(0, true) : view.getFloat64(0, true);
}
