// Modules that the linker must not take: each is small, and wrong in one way.

import { EMPTY, F32, I32, I64, OP } from "../../controller/linker/opcodes.ts";
import type { Kind, Outcome } from "./kind.ts";
import { type HandWritten, handWritten, i32, u32 } from "./wat.ts";

function kind(what: string, module: HandWritten | Uint8Array, reason: string): Kind {
  return { what, module, outcome: `refused: ${reason}` satisfies Outcome };
}

/** `run` with these instructions. */
function code(...instructions: number[]): HandWritten {
  return { functions: [{ code: instructions }] };
}

const RUN = handWritten(code(...i32(0)));

/** A module that returns 0, with a section put in front of another. */
function withSection(id: number, content: number[], before: number): Uint8Array {
  let at = 8;
  while (at < RUN.length && (RUN[at] ?? 0) !== before) at += 2 + (RUN[at + 1] ?? 0);
  const section = [id, ...u32(content.length), ...content];
  return Uint8Array.from([...RUN.subarray(0, at), ...section, ...RUN.subarray(at)]);
}

const TEMPLATE_CODE = 10;
const EXPORTS = 7;
const times = (count: number, ...bytes: number[]) => new Array(count).fill(bytes).flat();
const calls = (...targets: number[]) => targets.flatMap((target) => [OP.call, target]);
const notAllowed = (op: number) => `the instruction 0x${op.toString(16)} is not allowed`;

/** Instructions of proposals, by first byte. */
const FOREIGN: readonly (readonly [string, number])[] = [
  ["try (legacy exceptions)", 0x06],
  ["catch", 0x07],
  ["throw", 0x08],
  ["rethrow", 0x09],
  ["throw_ref", 0x0a],
  ["return_call", 0x12],
  ["return_call_indirect", 0x13],
  ["call_ref", 0x14],
  ["return_call_ref", 0x15],
  ["delegate", 0x18],
  ["catch_all", 0x19],
  ["try_table", 0x1f],
  ["table.get", 0x25],
  ["table.set", 0x26],
  ["ref.null", 0xd0],
  ["ref.is_null", 0xd1],
  ["ref.func", 0xd2],
  ["ref.eq", 0xd3],
  ["ref.as_non_null", 0xd4],
  ["br_on_null", 0xd5],
  ["an opcode that does not exist", 0xff],
  ["garbage collection", 0xfb],
  ["SIMD", 0xfd],
  ["atomics", 0xfe],
];

const INSTRUCTIONS: readonly Kind[] = [
  ...FOREIGN.map(([what, op]) => kind(what, code(op, ...i32(0)), notAllowed(op))),
  kind("call_indirect", code(...i32(0), OP.callIndirect, 0, 0), "callbacks and closures"),
  kind(
    "memory.copy",
    code(...i32(0), ...i32(0), ...i32(0), OP.prefixed, 10, 0, 0, ...i32(0)),
    "bulk memory",
  ),
  kind(
    "memory.fill",
    code(...i32(0), ...i32(0), ...i32(0), OP.prefixed, 11, 0, ...i32(0)),
    "bulk memory",
  ),
  kind(
    "memory.init",
    code(...i32(0), ...i32(0), ...i32(0), OP.prefixed, 8, 0, 0, ...i32(0)),
    "bulk memory",
  ),
  kind("data.drop", code(OP.prefixed, 9, 0, ...i32(0)), "bulk memory"),
  kind("table.grow", code(OP.prefixed, 15, 0), "0xfc 15 is not allowed"),
  kind("a load of a second memory", code(...i32(0), OP.i32Load, 0x42, 1, 0), "second memory"),
  kind(
    "a store to a second memory",
    code(...i32(0), ...i32(0), OP.i32Store, 0x42, 1, 0, ...i32(0)),
    "second memory",
  ),
  kind("memory.size of a second memory", code(OP.memorySize, 1), "second memory"),
  kind("memory.grow of a second memory", code(...i32(1), OP.memoryGrow, 1), "second memory"),
  kind("a block with parameters", code(...i32(0), OP.block, 0, OP.end), "a block has parameters"),
  kind("a block with a reference", code(OP.block, 0x70, OP.end), "a block has parameters"),
  kind("select of references", code(0x1c, 1, 0x70), "a select is not of numbers"),
  kind("select of two types", code(0x1c, 2, I32, I32), "a select is not of numbers"),
];

const SIZES: readonly Kind[] = [
  kind("a module that is too large", new Uint8Array(128 * 1024 + 1), "MAX_FUNCTION_MODULE_BYTES"),
  kind("a function of 65 KB", code(...times(65 * 1024, 0x01), ...i32(0)), "more than 65536 bytes"),
  kind(
    "513 variables",
    { functions: [{ locals: new Array(513).fill(I32), code: i32(0) }] },
    "513 variables",
  ),
  kind("513 values on the stack", code(...times(514, ...i32(1))), "more than 512 values at a time"),
  kind("257 blocks in one another", code(...times(257, OP.block, EMPTY)), "more than 256 deep"),
  kind(
    "many variables in many blocks",
    {
      functions: [
        {
          locals: new Array(500).fill(I32),
          code: [...times(200, OP.block, EMPTY, OP.end), ...i32(0)],
        },
      ],
    },
    "too many variables and blocks",
  ),
  kind("513 functions", { functions: new Array(513).fill({ code: i32(0) }) }, "the limit is 512"),
  kind(
    "513 globals",
    { functions: [{ code: i32(0) }], globals: new Array(513).fill({ initial: i32(0) }) },
    "the limit is 512",
  ),
  kind(
    "513 pieces of data",
    { functions: [{ code: i32(0) }], data: new Array(513).fill([4096, [0]]) },
    "the limit is 512",
  ),
  kind("data below the state", { ...code(...i32(0)), data: [[1024, [1]]] }, "static data"),
  kind("data at a negative place", { ...code(...i32(0)), data: [[-4, [1]]] }, "static data"),
  kind("data at the end", { ...code(...i32(0)), data: [[65_535, [1, 2]]] }, "static data"),
];

const CALLS: readonly Kind[] = [
  kind("a function that calls itself", code(...calls(0)), "recursion"),
  kind(
    "two functions that call each other",
    { functions: [{ code: calls(1) }, { code: calls(0) }] },
    "recursion",
  ),
  kind(
    "a circle that run does not reach",
    { functions: [{ code: i32(0) }, { code: calls(2) }, { code: calls(1) }] },
    "recursion",
  ),
  kind(
    "33 calls within calls",
    {
      functions: Array.from({ length: 33 }, (_, index) => ({
        code: index < 32 ? calls(index + 1) : i32(0),
      })),
    },
    "more than 32 deep",
  ),
  kind(
    "frames of 30 × 500 variables",
    {
      functions: Array.from({ length: 30 }, (_, index) => ({
        locals: new Array(500).fill(I32),
        code: index < 29 ? calls(index + 1) : i32(0),
      })),
    },
    "too many variables at a time",
  ),
  kind("a call of no function", code(...calls(9)), "a call leads nowhere"),
];

const IMPORTED: readonly (readonly [string, string, string])[] = [
  ["wasi_snapshot_preview1", "fd_write", "which the API (portico/1) does not have"],
  ["env", "proxy_close_stream", "which the API (portico/1) does not have"],
  ["env", "seed", "which the API (portico/1) does not have"],
  ["functions", "pick", "which the API (portico/1) does not have"],
  ["portico/1", "closeStream", "which the API (portico/1) does not have"],
  ["portico/1", "constructor", "which the API (portico/1) does not have"],
  ["portico/2", "any", "it was built for version 2 of the API; this is portico/1"],
  ["portico/1", "random", "with other types"],
  ["env", "abort", "with other types"],
];

const PARTS: readonly Kind[] = [
  ...IMPORTED.map(([module, name, reason]) =>
    kind(
      `an import of ${module}.${name}`,
      { ...code(...i32(0)), imports: [{ module, name, params: [], results: [I32] }] },
      reason,
    ),
  ),
  kind("no bytes", new Uint8Array(), "not a WebAssembly module"),
  kind("text", new TextEncoder().encode("export function pick() {}"), "not a WebAssembly module"),
  kind("a component", Uint8Array.from([0, 0x61, 0x73, 0x6d, 13, 0, 1, 0]), "not a WebAssembly"),
  kind("only a header", RUN.subarray(0, 8), "it exports no function `run`"),
  kind("half a module", RUN.subarray(0, RUN.length - 4), "it ends too early"),
  kind("an unknown section", withSection(14, [0], EXPORTS), "a section 14"),
  kind(
    "a section with more than its content",
    withSection(2, [0, 0], 3),
    "longer than its content",
  ),
  kind("a table", withSection(4, [1, 0x70, 0, 1], 5), "callbacks and closures"),
  kind("elements", withSection(9, [1, 0, OP.i32Const, 0, OP.end, 0], TEMPLATE_CODE), "callbacks"),
  kind("a tag", withSection(13, [1, 0, 0], EXPORTS), "exceptions of its own"),
  kind("two memories", withSection(5, [2, 0, 1, 0, 1], EXPORTS), "two memories"),
  kind("a shared memory", withSection(5, [1, 3, 1, 1], EXPORTS), "shared, or of 64 bits"),
  kind("a memory of 64 bits", withSection(5, [1, 4, 1], EXPORTS), "shared, or of 64 bits"),
  kind(
    "an imported memory",
    withSection(2, [1, 1, 0x65, 1, 0x6d, 2, 0, 1], 3),
    "which is not a function",
  ),
  kind(
    "a global of references",
    withSection(6, [1, 0x70, 0, 0xd0, 0x70, OP.end], EXPORTS),
    "number",
  ),
  kind(
    "a global that is another's value",
    { ...code(...i32(0)), globals: [{ initial: [OP.globalGet, 0] }] },
    "not a number",
  ),
  kind(
    "a global that is computed",
    { ...code(...i32(0)), globals: [{ initial: [...i32(1), ...i32(2), OP.i32Add] }] },
    "is computed",
  ),
  kind("passive data", withSection(11, [1, 1, 1, 0], 99), "no fixed place"),
  kind(
    "data of a second memory",
    withSection(11, [1, 2, 1, OP.i32Const, 0, OP.end, 0], 99),
    "second",
  ),
  kind(
    "a start that is imported",
    { ...code(...i32(0)), api: ["any"], start: 0 },
    "its start is not a function of its own",
  ),
  kind(
    "a start that does not exist",
    { ...code(...i32(0)), start: 7 },
    "not a function of its own",
  ),
  kind("no run", { ...code(...i32(0)), exports: [] }, "it exports no function `run`"),
  kind(
    "a run that is no function of its own",
    { ...code(...i32(0)), api: ["any"], exports: [{ name: "run", kind: 0, index: 0 }] },
    "take nothing and to return an i32",
  ),
  kind(
    "a run with a parameter",
    { functions: [{ params: [I32], code: i32(0) }] },
    "take nothing and to return an i32",
  ),
  kind(
    "a run that returns nothing",
    { functions: [{ results: [], code: [] }] },
    "take nothing and to return an i32",
  ),
  kind(
    "a run that returns an i64",
    { functions: [{ results: [I64], code: [OP.i64Const, 0] }] },
    "take nothing and to return an i32",
  ),
  kind(
    "a function that returns two",
    { functions: [{ code: i32(0) }, { results: [I32, I32], code: [...i32(0), ...i32(0)] }] },
    "more than one value",
  ),
  kind(
    "a local that is a reference",
    { functions: [{ locals: [0x70], code: i32(0) }] },
    "a local is not a number",
  ),
];

const INVALID: readonly Kind[] = [
  kind("a float where an integer belongs", code(OP.f32Const, 0, 0, 0, 0), "V8 does not validate"),
  kind("a variable that does not exist", code(OP.localGet, 5), "V8 does not validate"),
  kind("a global that does not exist", code(OP.globalGet, 5), "V8 does not validate"),
  kind("a branch to no block", code(OP.br, 7), "V8 does not validate"),
  kind("a load without a memory", { ...code(...i32(0), OP.i32Load, 2, 0), memory: false }, "V8"),
  kind("an alignment of 2^9", code(...i32(0), OP.i32Load, 9, 0), "V8 does not validate"),
  kind("a sum of one", code(...i32(0), OP.i32Add), "more from the stack than is there"),
  kind("a result too many", code(...i32(0), ...i32(0)), "V8 does not validate"),
  kind("an else without an if", code(OP.else, ...i32(0)), "V8 does not validate"),
  kind("code behind the end", code(...i32(0), OP.end, ...i32(0)), "code behind its end"),
  kind("a block without an end", code(...i32(0), OP.block, EMPTY), "ends in a block"),
  kind(
    "a number of six bytes",
    code(OP.i32Const, 0x80, 0x80, 0x80, 0x80, 0x80, 0),
    "too many bytes",
  ),
  kind("labels without end", code(...i32(0), OP.brTable, ...u32(2 ** 31)), "it ends too early"),
  kind(
    "a set of a constant",
    {
      functions: [{ code: [...i32(1), OP.globalSet, 0, ...i32(0)] }],
      globals: [{ mutable: false, initial: i32(0) }],
    },
    "V8 does not validate",
  ),
  kind(
    "a global of another type than its value",
    { ...code(...i32(0)), globals: [{ type: F32, initial: i32(0) }] },
    "V8 does not validate",
  ),
  kind(
    "a start that takes something",
    { functions: [{ code: i32(0) }, { params: [I32], results: [], code: [] }], start: 1 },
    "V8 does not validate",
  ),
  kind(
    "an export of nothing",
    { ...code(...i32(0)), exports: [{ name: "run", kind: 0, index: 4 }] },
    "run",
  ),
];

export const REFUSED_KINDS: readonly Kind[] = [
  ...INSTRUCTIONS,
  ...SIZES,
  ...CALLS,
  ...PARTS,
  ...INVALID,
];
