// The static data of a function's module: which bytes are where before its code runs.

import { ByteReader } from "./byte-reader.ts";
import type { Data, Module } from "./module.ts";
import { OP } from "./opcodes.ts";
import { refuse } from "./refusal.ts";

export interface StaticData {
  /** Offset in the slot. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Returns the pieces in the module's order, all between `first` and `end`. Throws RefusedError. */
export function staticDataOf(module: Module, first: number, end: number): StaticData[] {
  return module.data.map((data) => {
    const offset = offsetOf(data);
    if (offset < first || offset + data.bytes.length > end) {
      refuse(`its static data is not within ${first} and ${end}: it is too large`);
    }
    return { offset, bytes: data.bytes };
  });
}

function offsetOf({ offset }: Data): number {
  if (offset?.[0] !== OP.i32Const) return refuse("its static data has no fixed place");
  return new ByteReader(offset, 1).s32();
}
