// Modules that the linker takes although they do what would trap, loop or reach out elsewhere: what
// becomes of them is a failure with a reason, or a harmless answer.

import { EMPTY, F32, F64, I32, I64, OP, PREFIXED } from "../../controller/linker/opcodes.ts";
import type { Kind, Outcome } from "./kind.ts";
import { type HandWritten, i32, u32 } from "./wat.ts";

function kind(what: string, module: HandWritten, outcome: Outcome): Kind {
  return { what, module, outcome };
}

function code(...instructions: number[]): HandWritten {
  return { functions: [{ code: instructions }] };
}

const FUEL = "fails: longer than its fuel";
const DIVISION = "fails: divided by zero";
const i64 = (value: number) => [OP.i64Const, ...u32(value)];
const I64_MINUS_ONE = [OP.i64Const, 0x7f];
const I64_LEAST = [OP.i64Const, ...new Array(9).fill(0x80), 0x7f];
const I32_LEAST = i32(-(2 ** 31));
const WRAP = 0xa7;
/** Stack → 1 if it is what is given. */
const isI64 = (...value: number[]) => [...value, OP.i64Eq];

/** `count` turns of `body`, with a counter in local 0. */
function loop(count: number, ...body: number[]): HandWritten {
  return {
    functions: [
      {
        locals: [I32, I64, F64],
        code: [
          ...[...i32(count), OP.localSet, 0, OP.loop, EMPTY, ...body],
          ...[OP.localGet, 0, ...i32(1), OP.i32Sub, OP.localTee, 0, OP.brIf, 0, OP.end, ...i32(1)],
        ],
      },
    ],
  };
}

const MANY = 1_000_000;

const LONG: readonly Kind[] = [
  kind("a long empty loop", loop(MANY), FUEL),
  kind(
    "a long loop of additions",
    loop(MANY, OP.localGet, 1, ...i64(1), 0x7c, OP.localSet, 1),
    FUEL,
  ),
  kind(
    "a long loop of multiplications",
    loop(MANY, OP.localGet, 1, ...i64(3), 0x7e, OP.localSet, 1),
    FUEL,
  ),
  kind("a long loop of loads", loop(MANY, OP.localGet, 0, OP.i32Load, 2, 0, OP.drop), FUEL),
  kind(
    "a long loop of stores",
    loop(MANY, OP.localGet, 0, OP.localGet, 0, OP.i32Store, 2, 0),
    FUEL,
  ),
  kind(
    "a long loop of divisions",
    loop(MANY, ...i64(99), OP.localGet, 0, 0xad, OP.i64DivS, OP.drop),
    FUEL,
  ),
  kind("a long loop of roots", loop(MANY, OP.localGet, 2, OP.f64Sqrt, OP.localSet, 2), FUEL),
  kind("a long loop of memory.grow", loop(MANY, ...i32(1), OP.memoryGrow, 0, OP.drop), FUEL),
  kind("a long loop of blocks", loop(MANY, OP.block, EMPTY, OP.br, 0, OP.end), FUEL),
  kind(
    "two long loops in one another",
    loop(
      1_000,
      ...i32(1_000),
      OP.localSet,
      0,
      OP.loop,
      EMPTY,
      OP.localGet,
      0,
      ...i32(1),
      OP.i32Sub,
      OP.localTee,
      0,
      OP.brIf,
      0,
      OP.end,
      ...i32(500),
      OP.localSet,
      0,
    ),
    FUEL,
  ),
  kind(
    "a long loop of calls of its own",
    {
      functions: [
        {
          ...loop(MANY, OP.call, 1).functions[0],
          code: loop(MANY, OP.call, 1).functions[0]?.code ?? [],
        },
        { results: [], code: [0x01] },
      ],
    },
    FUEL,
  ),
  ...(["any", "seconds", "length", "groups"] as const).map((name) => {
    const drop = [OP.call, 0, OP.drop];
    return kind(`a long loop of ${name}`, { ...loop(MANY, ...drop), api: [name] }, FUEL);
  }),
  kind(
    "a long start",
    {
      functions: [
        { code: i32(0) },
        { results: [], locals: [I32], code: (loop(MANY).functions[0]?.code ?? []).slice(0, -2) },
      ],
      start: 1,
    },
    FUEL,
  ),
  kind(
    "calls that double at each of 20 levels",
    {
      functions: Array.from({ length: 21 }, (_, level) => ({
        code: level < 20 ? [OP.call, level + 1, OP.call, level + 1, OP.i32Or] : i32(1),
      })),
    },
    FUEL,
  ),
  kind("a short loop", loop(100), 1),
];

const DIVISIONS: readonly Kind[] = [
  ...[OP.i32DivS, 0x6e, 0x6f, 0x70].flatMap((op) => [
    kind(`i32 division 0x${op.toString(16)} by zero`, code(...i32(1), ...i32(0), op), DIVISION),
    kind(
      `i32 division 0x${op.toString(16)} by what is zero`,
      { api: ["any"], functions: [{ code: [...i32(1), OP.call, 0, ...i32(7), OP.i32Sub, op] }] },
      DIVISION,
    ),
  ]),
  ...[OP.i64DivS, 0x80, 0x81, 0x82].map((op) =>
    kind(
      `i64 division 0x${op.toString(16)} by zero`,
      code(...i64(1), ...i64(0), op, WRAP),
      DIVISION,
    ),
  ),
  kind("the least i32 by -1", code(...I32_LEAST, ...i32(-1), OP.i32DivS), DIVISION),
  kind("the least i32 modulo -1", code(...I32_LEAST, ...i32(-1), 0x6f), 0),
  kind("the least i64 by -1", code(...I64_LEAST, ...I64_MINUS_ONE, OP.i64DivS, WRAP), DIVISION),
  kind("the least i64 modulo -1", code(...I64_LEAST, ...I64_MINUS_ONE, 0x81, WRAP), 0),
  kind("-7 by 2", code(...i32(-7), ...i32(2), OP.i32DivS, ...i32(-3), OP.i32Eq), 1),
  kind("a large unsigned dividend", code(...i32(-1), ...i32(2 ** 30), 0x6e), 3),
  kind(
    "a constant divisor behind a block",
    code(...i32(6), OP.block, I32, ...i32(0), OP.end, OP.i32DivS),
    DIVISION,
  ),
  kind(
    "a float division by zero",
    code(
      0x43,
      0,
      0,
      0x80,
      0x3f,
      0x43,
      0,
      0,
      0,
      0,
      OP.f32Div,
      OP.i32Trunc,
      ...i32(2 ** 31 - 1),
      OP.i32Eq,
    ),
    1,
  ),
];

const NAN32 = [OP.f32Const, 0, 0, 0xc0, 0x7f];
const HUGE64 = [OP.f64Const, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f];

const CONVERSIONS: readonly Kind[] = [
  ...[0, 1].map((signed) =>
    kind(`NaN to i32 (${signed})`, code(...NAN32, OP.i32Trunc + signed), 0),
  ),
  ...[0, 1].map((signed) =>
    kind(`NaN to i64 (${signed})`, code(...NAN32, OP.i64Trunc + signed, WRAP), 0),
  ),
  kind("infinity to i32", code(...HUGE64, OP.i32Trunc + 2, ...i32(2 ** 31 - 1), OP.i32Eq), 1),
  kind("infinity to u32", code(...HUGE64, OP.i32Trunc + 3, ...i32(-1), OP.i32Eq), 1),
  kind(
    "infinity to i64",
    code(...HUGE64, OP.i64Trunc + 2, ...isI64(OP.i64Const, ...new Array(9).fill(0xff), 0)),
    1,
  ),
  kind("infinity to u64", code(...HUGE64, OP.i64Trunc + 3, ...isI64(...I64_MINUS_ONE)), 1),
  kind(
    "a saturating conversion",
    code(...HUGE64, OP.prefixed, PREFIXED.i64TruncSat + 3, ...isI64(...I64_MINUS_ONE)),
    1,
  ),
];

/** An address, what a load adds, and the answer; nothing is ever there. */
const ADDRESSES: readonly (readonly [string, number, number])[] = [
  ["the last byte", 65_535, 0],
  ["behind the memory", 65_536, 0],
  ["the largest address", 0x7fff_ffff, 0],
  ["a negative address", -1, 0],
  ["the largest small offset", -1, 4_088],
  ["a large offset", 4, 5_000],
  ["an offset behind all memory", 0, 2 ** 31],
  ["the largest offset", -1, 2 ** 32 - 1],
  ["a plugin's address", 1_024, 65_536],
];

const MEMORY: readonly Kind[] = [
  ...ADDRESSES.map(([what, address, offset]) =>
    kind(`a load from ${what}`, code(...i32(address), OP.i32Load, 2, ...u32(offset)), 0),
  ),
  ...ADDRESSES.map(([what, address, offset]) =>
    kind(
      `a store to ${what}`,
      code(...i32(address), ...i32(-1), OP.i32Store, 2, ...u32(offset), ...i32(2)),
      2,
    ),
  ),
  ...[0x29, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x34].map((op) => {
    const drop = [OP.drop, ...i32(4)];
    return kind(
      `load 0x${op.toString(16)} at the edge`,
      code(...i32(-1), op, 0, ...u32(4_088), ...drop),
      4,
    );
  }),
  ...(
    [
      [0x37, i64(1)],
      [0x38, [OP.f32Const, 0, 0, 0, 0]],
      [0x39, [OP.f64Const, 0, 0, 0, 0, 0, 0, 0, 0]],
      [0x3a, i32(1)],
      [0x3b, i32(1)],
      [0x3c, i64(1)],
      [0x3d, i64(1)],
      [0x3e, i64(1)],
    ] as const
  ).map(([op, value]) =>
    kind(
      `store 0x${op.toString(16)} at the edge`,
      code(...i32(-1), ...value, op, 0, ...u32(4_088), ...i32(4)),
      4,
    ),
  ),
  kind("memory.size", code(OP.memorySize, 0), 1),
  kind("memory.grow", code(...i32(1), OP.memoryGrow, 0), -1),
  kind("memory.grow of nothing", code(...i32(0), OP.memoryGrow, 0), -1),
];

const ENDS: readonly Kind[] = [
  kind("unreachable", code(OP.unreachable), "fails: must not be reached"),
  kind("unreachable, then code", code(OP.unreachable, OP.i32Add), "fails: must not be reached"),
  kind(
    "abort",
    {
      imports: [{ module: "env", name: "abort", params: [I32, I32, I32, I32], results: [] }],
      functions: [
        { code: [...i32(0), ...i32(0), ...i32(0), ...i32(0), OP.call, 0, OP.unreachable] },
      ],
    },
    "fails: a check failed",
  ),
  kind("an index behind the list", code(...i32(10)), "fails: not in the list"),
  kind("a huge index", code(...i32(0x7fff_ffff)), "fails: not in the list"),
  kind("the answer that means a failure", code(...i32(-2)), "fails: not in the list"),
  kind("the least number", code(...I32_LEAST), "fails: not in the list"),
  kind(
    "unreachable three calls deep",
    { functions: [{ code: [OP.call, 1] }, { code: [OP.call, 2] }, { code: [OP.unreachable] }] },
    "fails: must not be reached",
  ),
  kind(
    "an unreachable start",
    { functions: [{ code: i32(0) }, { results: [], code: [OP.unreachable] }], start: 1 },
    "fails: must not be reached",
  ),
  kind("a float in a variable", { functions: [{ locals: [F32], code: i32(3) }] }, 3),
];

const STATES: readonly Kind[] = [
  kind(
    "a store to all of the state, then a failure",
    {
      api: ["state"],
      functions: [{ code: [OP.call, 0, ...i32(-1), OP.i32Store, 2, 0, OP.unreachable] }],
    },
    "fails: must not be reached",
  ),
  kind(
    "a store far below the state",
    {
      api: ["state"],
      functions: [
        { code: [OP.call, 0, ...i32(5_000), OP.i32Sub, ...i32(7), OP.i32Store, 2, 0, ...i32(1)] },
      ],
    },
    1,
  ),
  kind(
    "a store behind the state",
    {
      api: ["state"],
      functions: [{ code: [OP.call, 0, ...i32(7), OP.i32Store, 2, ...u32(1_024), ...i32(1)] }],
    },
    1,
  ),
];

export const FAILING_KINDS: readonly Kind[] = [
  ...LONG,
  ...DIVISIONS,
  ...CONVERSIONS,
  ...MEMORY,
  ...ENDS,
  ...STATES,
];
