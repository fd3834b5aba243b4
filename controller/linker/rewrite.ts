// The code of one function of a slot → the same, written again so that it cannot trap, cannot run
// for long and cannot reach anything but its own memory.

import { API_MODULE } from "./api.ts";
import type { CheckedFunction } from "./check-function.ts";
import { CodeWriter } from "./code-writer.ts";
import { isDivision } from "./division.ts";
import { Instructions } from "./instructions.ts";
import { MAX_MEMORY_OFFSET, SPACE_BYTES, STATE_OFFSET } from "./limits.ts";
import type { Code } from "./module.ts";
import { EMPTY, F32, F64, I32, I64, OP, PREFIXED } from "./opcodes.ts";
import { thrownFor } from "./outcome.ts";
import type { Survey } from "./survey.ts";

/** A load or store of the functions' own memory says so in its alignment. */
const WITH_MEMORY_INDEX = 0x40;
export const OWN_MEMORY = 1;

/** By store opcode: i32, i64, f32, f64, then the narrow ones. */
const STORED_TYPES: readonly number[] = [I32, I64, F32, F64, I32, I32, I64, I64, I64];
const ABORT_PARAMETERS = 4;

/** Where the parts of one slot are in the linked module. */
export interface SlotPlan {
  readonly checked: CheckedFunction;
  /** Offset of the slot in the functions' own memory. */
  readonly base: number;
  /** What the module's first global became. */
  readonly firstGlobal: number;
  /** What its first function with code became. */
  readonly firstFunction: number;
  /** For each import the plugin's function; undefined for those that the linker writes itself. */
  readonly imported: readonly (number | undefined)[];
  readonly fuelGlobal: number;
  readonly countGlobal: number;
  /** By opcode, the function that divides. */
  readonly divisions: ReadonlyMap<number, number>;
}

/** Returns locals and instructions, as in the code section without the size. */
export function rewriteCode(plan: SlotPlan, code: Code, survey: Survey): Uint8Array {
  return new Rewriter(plan, code, survey).written();
}

class Rewriter {
  readonly #plan: SlotPlan;
  readonly #code: Code;
  readonly #survey: Survey;
  readonly #out = new CodeWriter();
  /** By type, the local that holds what is stored while its address is masked. */
  readonly #temporaries = new Map<number, number>();
  #nextLoop = 0;
  /** The number on top of the stack, when the very instruction before put it there. */
  #constant: bigint | undefined;

  constructor(plan: SlotPlan, code: Code, survey: Survey) {
    this.#plan = plan;
    this.#code = code;
    this.#survey = survey;
  }

  written(): Uint8Array {
    const { bytes } = this.#plan.checked.module;
    const { start, end, locals } = this.#code;
    this.#burn(this.#survey.entryPrice, start);
    const instructions = new Instructions(bytes, start, end);
    while (instructions.next()) {
      this.#rewrite(instructions);
      const { op } = instructions;
      const isConstant = op === OP.i32Const || op === OP.i64Const;
      this.#constant = isConstant ? instructions.constant : undefined;
    }
    const added = [...this.#temporaries.keys()].map((type) => ({ count: 1, type }));
    const body = new CodeWriter().list([...locals, ...added], ({ count, type }, to) => {
      to.u32(count).u8(type);
    });
    return body.bytes(this.#out.written()).written();
  }

  #rewrite(each: Instructions): void {
    const { op, place } = each;
    if (op >= OP.i32Load && op <= OP.lastLoad) this.#load(each);
    else if (op >= OP.i32Store && op <= OP.lastStore) this.#store(each);
    else if (isDivision(op)) this.#divide(op, place);
    else if (op === OP.call) this.#call(each.index, place);
    else if (op === OP.globalGet || op === OP.globalSet) {
      this.#out.u8(op).u32(this.#plan.firstGlobal + each.index);
    } else if (op === OP.loop) {
      this.#out.bytes(each.raw);
      this.#burn(this.#survey.loopPrices[this.#nextLoop++] ?? 0, place);
    } else if (op === OP.unreachable) this.#out.throwFor("unreachable", place);
    else if (op === OP.memorySize) this.#out.i32(1);
    // There is never more memory.
    else if (op === OP.memoryGrow) this.#out.u8(OP.drop).i32(-1);
    else if (op >= OP.i32Trunc && op < OP.i32Trunc + 4) this.#out.prefixed(op - OP.i32Trunc);
    else if (op >= OP.i64Trunc && op < OP.i64Trunc + 4) {
      this.#out.prefixed(PREFIXED.i64TruncSat + op - OP.i64Trunc);
    } else this.#out.bytes(each.raw);
  }

  /** Pays, and throws when there is not enough. */
  #burn(price: number, place: number): void {
    const { fuelGlobal } = this.#plan;
    this.#out.globalGet(fuelGlobal).i32(price).u8(OP.i32Sub).globalSet(fuelGlobal);
    this.#out.globalGet(fuelGlobal).i32(0).u8(OP.i32LtS, OP.if, EMPTY);
    this.#out.throwFor("fuel", place).u8(OP.end);
  }

  #load({ op, index, memoryOffset }: Instructions): void {
    const isInside =
      this.#constant !== undefined && this.#constant >= 0n && this.#constant < SPACE_BYTES;
    const offset = this.#addLargeOffset(memoryOffset);
    if (!isInside || offset !== memoryOffset) this.#mask();
    this.#memoryAccess(op, index, offset);
  }

  /** The address is below the value. */
  #store({ op, index, memoryOffset }: Instructions): void {
    const value = this.#temporary(STORED_TYPES[op - OP.i32Store] ?? I32);
    this.#out.localSet(value);
    const offset = this.#addLargeOffset(memoryOffset);
    this.#mask();
    this.#out.localGet(value);
    this.#memoryAccess(op, index, offset);
  }

  /** Returns the offset that is left: a large one is added to the address, and then masked. */
  #addLargeOffset(offset: number): number {
    if (offset <= MAX_MEMORY_OFFSET) return offset;
    this.#out.i32(offset).u8(OP.i32Add);
    return 0;
  }

  #mask(): void {
    this.#out.i32(SPACE_BYTES - 1).u8(OP.i32And);
  }

  #memoryAccess(op: number, alignment: number, offset: number): void {
    this.#out.u8(op).u32(alignment | WITH_MEMORY_INDEX);
    this.#out.u32(OWN_MEMORY).u32(this.#plan.base + offset);
  }

  #divide(op: number, place: number): void {
    const divisor = this.#constant;
    const divides = this.#plan.divisions.get(op);
    if (divides === undefined) throw new Error(`no division for opcode ${op}`);
    if (divisor !== undefined && divisor !== 0n && divisor !== -1n) this.#out.u8(op);
    else this.#out.i32(thrownFor("division", place)).call(divides);
  }

  #call(index: number, place: number): void {
    const { checked, imported, firstFunction, countGlobal } = this.#plan;
    const own = index - checked.imports.length;
    if (own >= 0) {
      this.#out.call(firstFunction + own);
      return;
    }
    const target = imported[index];
    const each = checked.module.imports[index];
    if (target !== undefined) this.#out.call(target);
    else if (each?.module !== API_MODULE) {
      for (let parameter = 0; parameter < ABORT_PARAMETERS; parameter++) this.#out.u8(OP.drop);
      this.#out.throwFor("check", place);
    } else if (each.name === "length") this.#out.globalGet(countGlobal);
    else this.#out.i32(STATE_OFFSET);
  }

  #temporary(type: number): number {
    const known = this.#temporaries.get(type);
    if (known !== undefined) return known;
    const index = this.#survey.localCount + this.#temporaries.size;
    this.#temporaries.set(type, index);
    return index;
  }
}
