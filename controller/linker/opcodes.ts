// The instructions that the linker reads: what follows each opcode, what it takes from the stack
// and what it leaves there. An opcode without a row is not allowed in any module.

/** Those that the linker writes, or that it treats in a special way. */
export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  throw: 0x08,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  drop: 0x1a,
  tryTable: 0x1f,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Load: 0x28,
  lastLoad: 0x35,
  i32Store: 0x36,
  lastStore: 0x3e,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32DivS: 0x6d,
  i32And: 0x71,
  i32Or: 0x72,
  i32Shl: 0x74,
  i64DivS: 0x7f,
  f32Sqrt: 0x91,
  f32Div: 0x95,
  f64Sqrt: 0x9f,
  f64Div: 0xa3,
  /** i32.trunc_f32_s and three more, then those of i64. */
  i32Trunc: 0xa8,
  i64Trunc: 0xae,
  /** Further instructions, by a number behind it. */
  prefixed: 0xfc,
} as const;

/** Behind OP.prefixed. 0 to 7 are the saturating truncations, in the order of OP.i32Trunc. */
export const PREFIXED = {
  i64TruncSat: 4,
  lastTruncSat: 7,
  memoryInit: 8,
  dataDrop: 9,
  memoryCopy: 10,
  memoryFill: 11,
} as const;

/** What follows an opcode. */
export const IMMEDIATE = {
  none: 1,
  blockType: 2,
  index: 3,
  labels: 4,
  memory: 5,
  i32: 6,
  i64: 7,
  f32: 8,
  f64: 9,
  zero: 10,
  types: 11,
  tableCall: 12,
  prefixed: 13,
} as const;

type Immediate = (typeof IMMEDIATE)[keyof typeof IMMEDIATE];

/** By opcode: an IMMEDIATE; 0: the opcode is not allowed. */
export const IMMEDIATE_OF = new Uint8Array(256);
/** By opcode. Those of calls and of control instructions depend on types. */
export const POPS_OF = new Uint8Array(256);
export const PUSHES_OF = new Uint8Array(256);

function row(first: number, last: number, pops: number, pushes: number, follows: Immediate): void {
  IMMEDIATE_OF.fill(follows, first, last + 1);
  POPS_OF.fill(pops, first, last + 1);
  PUSHES_OF.fill(pushes, first, last + 1);
}

row(OP.unreachable, 0x01, 0, 0, IMMEDIATE.none);
row(OP.block, OP.loop, 0, 0, IMMEDIATE.blockType);
row(OP.if, OP.if, 1, 0, IMMEDIATE.blockType);
row(OP.else, OP.else, 0, 0, IMMEDIATE.none);
row(OP.end, OP.end, 0, 0, IMMEDIATE.none);
row(OP.br, OP.br, 0, 0, IMMEDIATE.index);
row(OP.brIf, OP.brIf, 1, 0, IMMEDIATE.index);
row(OP.brTable, OP.brTable, 1, 0, IMMEDIATE.labels);
row(OP.return, OP.return, 0, 0, IMMEDIATE.none);
row(OP.call, OP.call, 0, 0, IMMEDIATE.index);
row(OP.callIndirect, OP.callIndirect, 1, 0, IMMEDIATE.tableCall);
row(OP.drop, OP.drop, 1, 0, IMMEDIATE.none);
row(0x1b, 0x1b, 3, 1, IMMEDIATE.none); // select
row(0x1c, 0x1c, 3, 1, IMMEDIATE.types); // select with a type
row(OP.localGet, OP.localGet, 0, 1, IMMEDIATE.index);
row(OP.localSet, OP.localSet, 1, 0, IMMEDIATE.index);
row(OP.localTee, OP.localTee, 1, 1, IMMEDIATE.index);
row(OP.globalGet, OP.globalGet, 0, 1, IMMEDIATE.index);
row(OP.globalSet, OP.globalSet, 1, 0, IMMEDIATE.index);
row(OP.i32Load, OP.lastLoad, 1, 1, IMMEDIATE.memory);
row(OP.i32Store, OP.lastStore, 2, 0, IMMEDIATE.memory);
row(OP.memorySize, OP.memorySize, 0, 1, IMMEDIATE.zero);
row(OP.memoryGrow, OP.memoryGrow, 1, 1, IMMEDIATE.zero);
row(OP.i32Const, OP.i32Const, 0, 1, IMMEDIATE.i32);
row(OP.i64Const, OP.i64Const, 0, 1, IMMEDIATE.i64);
row(OP.f32Const, OP.f32Const, 0, 1, IMMEDIATE.f32);
row(OP.f64Const, OP.f64Const, 0, 1, IMMEDIATE.f64);
row(0x45, 0xa6, 2, 1, IMMEDIATE.none); // comparisons and arithmetic of two …
row(OP.i32Eqz, OP.i32Eqz, 1, 1, IMMEDIATE.none); // … and of one:
row(OP.i64Eqz, OP.i64Eqz, 1, 1, IMMEDIATE.none);
row(0x67, 0x69, 1, 1, IMMEDIATE.none); // i32: clz, ctz, popcnt
row(0x79, 0x7b, 1, 1, IMMEDIATE.none); // i64
row(0x8b, 0x91, 1, 1, IMMEDIATE.none); // f32: abs, neg, rounding, sqrt
row(0x99, 0x9f, 1, 1, IMMEDIATE.none); // f64
row(0xa7, 0xc4, 1, 1, IMMEDIATE.none); // conversions
row(OP.prefixed, OP.prefixed, 1, 1, IMMEDIATE.prefixed);

/** Value types. */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
/** As a block's type: no result. */
export const EMPTY = 0x40;

/** Reports whether it is i32, i64, f32 or f64: no reference, no vector. */
export function isNumberType(type: number): boolean {
  return type >= F64 && type <= I32;
}
