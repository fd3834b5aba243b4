// Division that throws instead of trapping: eight functions, i32.div_s to i64.rem_u. Each takes
// dividend, divisor and the number to throw.

import { CodeWriter } from "./code-writer.ts";
import type { FunctionType } from "./module.ts";
import { EMPTY, I32, I64, OP } from "./opcodes.ts";

const DIVIDEND = 0;
const DIVISOR = 1;
const THROWN = 2;
/** div_s, div_u, rem_s, rem_u, in the order of their opcodes. */
const KINDS = 4;

interface Division {
  readonly op: number;
  readonly type: FunctionType;
  /** Locals and instructions, as in the code section without the size. */
  readonly body: Uint8Array;
}

/** Reports whether it is a division or remainder of integers. */
export function isDivision(op: number): boolean {
  return (
    (op >= OP.i32DivS && op < OP.i32DivS + KINDS) || (op >= OP.i64DivS && op < OP.i64DivS + KINDS)
  );
}

/** Returns the eight functions, by ascending opcode. */
export function divisions(): Division[] {
  return [OP.i32DivS, OP.i64DivS].flatMap((first) =>
    Array.from({ length: KINDS }, (_, kind) => division(first, first + kind)),
  );
}

function division(first: number, op: number): Division {
  const isLong = first === OP.i64DivS;
  const number = isLong ? I64 : I32;
  const code = new CodeWriter().u32(0);
  code.localGet(DIVISOR).u8(isLong ? OP.i64Eqz : OP.i32Eqz);
  throwWhenTrue(code);
  // Only the signed quotient of the least number and -1 is out of range; its remainder is 0.
  if (op === first) {
    const equal = isLong ? OP.i64Eq : OP.i32Eq;
    code.localGet(DIVIDEND);
    if (isLong)
      code
        .i64(-(2n ** 63n))
        .u8(equal)
        .localGet(DIVISOR)
        .i64(-1n)
        .u8(equal);
    else
      code
        .i32(-(2 ** 31))
        .u8(equal)
        .localGet(DIVISOR)
        .i32(-1)
        .u8(equal);
    code.u8(OP.i32And);
    throwWhenTrue(code);
  }
  code.localGet(DIVIDEND).localGet(DIVISOR).u8(op, OP.end);
  return { op, type: { params: [number, number, I32], results: [number] }, body: code.written() };
}

function throwWhenTrue(code: CodeWriter): void {
  code.u8(OP.if, EMPTY).localGet(THROWN).throwTop().u8(OP.end);
}
