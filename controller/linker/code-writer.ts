// Instructions that the linker writes, by name.

import { ByteWriter } from "./byte-writer.ts";
import { EMPTY, OP, PREFIXED } from "./opcodes.ts";
import { type FailureReason, thrownFor } from "./outcome.ts";

/** The only tag of a linked module; what is thrown is a number (outcome.ts). */
const TAG = 0;

export class CodeWriter extends ByteWriter {
  localGet(index: number): this {
    return this.u8(OP.localGet).u32(index);
  }

  localSet(index: number): this {
    return this.u8(OP.localSet).u32(index);
  }

  globalGet(index: number): this {
    return this.u8(OP.globalGet).u32(index);
  }

  globalSet(index: number): this {
    return this.u8(OP.globalSet).u32(index);
  }

  i32(value: number): this {
    return this.u8(OP.i32Const).s32(value);
  }

  i64(value: bigint): this {
    return this.u8(OP.i64Const).s64(value);
  }

  call(index: number): this {
    return this.u8(OP.call).u32(index);
  }

  /** Throws the number on the stack. */
  throwTop(): this {
    return this.u8(OP.throw).u32(TAG);
  }

  throwFor(reason: FailureReason, place: number): this {
    return this.i32(thrownFor(reason, place)).throwTop();
  }

  /** Runs `then` if the number on the stack is not 0. */
  whenTrue(then: (code: this) => void): this {
    this.u8(OP.if, EMPTY);
    then(this);
    return this.u8(OP.end);
  }

  prefixed(instruction: number): this {
    return this.u8(OP.prefixed).u32(instruction);
  }

  /** Fills memory `memory` with zeros: `bytes` from `address`. */
  zeros(address: number, bytes: number, memory: number): this {
    return this.i32(address).i32(0).i32(bytes).prefixed(PREFIXED.memoryFill).u32(memory);
  }
}
