// Instructions → instructions that are changed so that they are often still valid.

import { Instructions } from "../../controller/linker/instructions.ts";
import { EMPTY, OP } from "../../controller/linker/opcodes.ts";
import { i32, u32 } from "./wat.ts";

type Random = (limit: number) => number;

/** Opcodes that take and leave the same. */
const FAMILIES: readonly (readonly number[])[] = [
  range(0x6a, 0x78),
  range(0x46, 0x4f),
  range(0x7c, 0x8a),
  range(0x51, 0x5a),
  [0x28, ...range(0x2c, 0x2f)],
  [0x29, ...range(0x30, 0x35)],
  [0x36, 0x3a, 0x3b],
  [0x37, ...range(0x3c, 0x3e)],
  range(0xa8, 0xa9),
  range(0xaa, 0xab),
  [OP.block, OP.loop],
];

/** Numbers at which something changes. */
const EDGES = [0, 1, -1, 9, 10, 1_023, 1_024, 4_095, 65_535, 65_536, 2 ** 31 - 1, -(2 ** 31)];

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Returns the code with one to four changes; any bytes if it cannot be read. */
export function mutateCode(random: Random, code: readonly number[]): number[] {
  const pieces = piecesOf(code);
  const changes = 1 + random(4);
  for (let change = 0; change < changes; change++) {
    const at = random(pieces.length + 1);
    const piece = pieces[at];
    const kind = random(8);
    if (kind < 3) pieces.splice(at, 0, harmless(random));
    else if (piece === undefined) pieces.push(i32(random(100)));
    else if (kind === 3) pieces.splice(at, 1);
    else if (kind === 4) pieces.splice(at, 0, piece);
    else pieces[at] = relative(random, piece);
  }
  return pieces.flat();
}

function piecesOf(code: readonly number[]): number[][] {
  const pieces: number[][] = [];
  const instructions = new Instructions(Uint8Array.from(code), 0, code.length);
  try {
    while (instructions.next()) pieces.push([...instructions.raw]);
  } catch {
    pieces.push(code.slice(instructions.place));
  }
  return pieces;
}

/** Another instruction with the same effect on the stack. */
function relative(random: Random, piece: readonly number[]): number[] {
  const [op = 0, ...rest] = piece;
  if (op === OP.i32Const) return i32(edge(random));
  const family = FAMILIES.find((ops) => ops.includes(op));
  if (!family) return [op, ...rest];
  const other = family[random(family.length)] ?? op;
  const isAccess = op >= OP.i32Load && op <= OP.lastStore;
  return isAccess ? [other, 0, ...u32(offset(random))] : [other, ...rest];
}

function edge(random: Random): number {
  return random(3) === 0 ? random(2 ** 32) | 0 : (EDGES[random(EDGES.length)] ?? 0);
}

function offset(random: Random): number {
  return random(2) === 0 ? random(5_000) : random(2 ** 32);
}

/** Leaves the stack as it is, and does something that has to be kept in bounds. */
function harmless(random: Random): number[] {
  const access = [0, ...u32(offset(random))];
  const first = i32(edge(random));
  const second = i32(edge(random));
  const kinds: readonly number[][] = [
    [...first, OP.i32Load + random(1), ...access, OP.drop],
    [...first, 0x29, ...access, OP.drop],
    [...first, ...second, OP.i32Store, ...access],
    [...first, ...second, 0x3a, ...access],
    [...first, ...second, OP.i32DivS + random(4), OP.drop],
    [...first, OP.memoryGrow, 0, OP.drop],
    [OP.block, EMPTY, ...first, OP.brIf, 0, OP.end],
    [OP.loop, EMPTY, ...first, OP.brIf, 0, OP.end],
    [OP.loop, EMPTY, OP.loop, EMPTY, OP.br, random(2), OP.end, OP.end],
    [...first, OP.brTable, 1, 0, 0],
    [OP.unreachable],
    [...first, OP.return],
  ];
  return kinds[random(kinds.length)] ?? [];
}
