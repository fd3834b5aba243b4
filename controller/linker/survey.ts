// The code of one function → what the linker has to know before it writes it again: what each loop
// turn costs, what it calls, how much of the stack it takes. Refuses what is not allowed.

import type { ApiFunction } from "./api.ts";
import { Instructions } from "./instructions.ts";
import { MAX_CODE_BYTES, MAX_LOCALS, MAX_LOCALS_TIMES_BLOCKS } from "./limits.ts";
import type { Code, Module } from "./module.ts";
import { OP, POPS_OF, PREFIXED, PUSHES_OF } from "./opcodes.ts";
import type { OwnCall } from "./places.ts";
import { refuse } from "./refusal.ts";
import { StackHeight } from "./stack-height.ts";

/** Divisions and roots take several times as long as an addition. */
const SLOW_PRICE = 6;
/** What entering a function costs, in addition to its instructions. */
const ENTRY_PRICE = 4;

export interface Survey {
  /** Paid at each entry: the instructions outside of loops. */
  readonly entryPrice: number;
  /** Paid at each turn, by loop in the order of the code; inner loops excluded. */
  readonly loopPrices: readonly number[];
  readonly calls: readonly OwnCall[];
  /** Parameters and locals. */
  readonly localCount: number;
  /** Values that one frame of it holds at most: locals and stack. */
  readonly frameValues: number;
  readonly hasStores: boolean;
  /** Indexes of the globals that it sets. */
  readonly assigned: ReadonlySet<number>;
}

/** What an import costs; the API's function for each import, undefined for abort. */
type Callees = readonly (ApiFunction | undefined)[];

/** Throws RefusedError or MalformedError. */
export function surveyCode(module: Module, code: Code, imports: Callees): Survey {
  return new Surveyor(module, code, imports).survey();
}

class Surveyor {
  readonly #module: Module;
  readonly #code: Code;
  readonly #imports: Callees;
  readonly #height: StackHeight;
  readonly #calls: OwnCall[] = [];
  readonly #loopPrices: number[] = [];
  /** For each open block, the loop that it is (its index in #loopPrices), or -1. */
  readonly #open: number[] = [];
  /** The open loops, the innermost last. */
  readonly #loops: number[] = [];
  readonly #assigned = new Set<number>();
  #entryPrice = ENTRY_PRICE;
  #blocks = 0;
  #hasStores = false;

  constructor(module: Module, code: Code, imports: Callees) {
    this.#module = module;
    this.#code = code;
    this.#imports = imports;
    this.#height = new StackHeight(this.#type(code.type).results.length);
  }

  survey(): Survey {
    const { start, end } = this.#code;
    if (end - start > MAX_CODE_BYTES) {
      refuse(`one of its functions has more than ${MAX_CODE_BYTES} bytes`, start);
    }
    const localCount = this.#countLocals();
    const instructions = new Instructions(this.#module.bytes, start, end);
    while (instructions.next()) this.#visit(instructions);
    if (this.#height.depth !== 0) refuse("its code ends in a block", start);
    if (localCount * this.#blocks > MAX_LOCALS_TIMES_BLOCKS) {
      refuse("one of its functions has too many variables and blocks; split it", start);
    }
    return {
      entryPrice: this.#entryPrice,
      loopPrices: this.#loopPrices,
      calls: this.#calls,
      localCount,
      frameValues: localCount + this.#height.highest,
      hasStores: this.#hasStores,
      assigned: this.#assigned,
    };
  }

  #type(index: number) {
    return this.#module.types[index] ?? refuse("a function has a type that does not exist");
  }

  #countLocals(): number {
    const { type, locals, start } = this.#code;
    const declared = locals.reduce((sum, { count }) => sum + count, 0);
    const count = this.#type(type).params.length + declared;
    if (count <= MAX_LOCALS) return count;
    return refuse(`one of its functions has ${count} variables; the limit is ${MAX_LOCALS}`, start);
  }

  #pay(price: number): void {
    const loop = this.#loops.at(-1);
    if (loop === undefined) this.#entryPrice += price;
    else this.#loopPrices[loop] = (this.#loopPrices[loop] ?? 0) + price;
  }

  #visit(instruction: Instructions): void {
    const { op, place } = instruction;
    if (op >= OP.block && op <= OP.if) this.#openBlock(instruction);
    else if (op === OP.end) this.#closeBlock(place);
    else if (op === OP.call) this.#visitCall(instruction);
    else this.#visitPlain(instruction);
  }

  #visitPlain({ op, prefixed, index, place }: Instructions): void {
    if (op === OP.callIndirect) {
      refuse("it calls a function by its value: callbacks and closures are not available", place);
    }
    if (op === OP.prefixed && prefixed > PREFIXED.lastTruncSat) {
      refuse("it uses bulk memory instructions; compile without them", place);
    }
    this.#pay(isSlow(op) ? SLOW_PRICE : 1);
    if (op >= OP.i32Store && op <= OP.lastStore) this.#hasStores = true;
    if (op === OP.globalSet) this.#assigned.add(index);
    this.#height.pop(POPS_OF[op] ?? 0, place);
    this.#height.push(PUSHES_OF[op] ?? 0, place);
    if (op === OP.else) this.#height.restart(place);
    const leaves = op === OP.unreachable || op === OP.br || op === OP.brTable || op === OP.return;
    if (leaves) this.#height.leave(place);
  }

  #openBlock({ op, results, place }: Instructions): void {
    this.#blocks++;
    this.#height.pop(POPS_OF[op] ?? 0, place);
    this.#height.open(results, place);
    const loop = op === OP.loop ? this.#loopPrices.push(1) - 1 : -1;
    this.#open.push(loop);
    if (loop >= 0) this.#loops.push(loop);
    else this.#pay(1);
  }

  #closeBlock(place: number): void {
    this.#height.close(place);
    if ((this.#open.pop() ?? -1) >= 0) this.#loops.pop();
  }

  #visitCall({ index, place }: Instructions): void {
    const callee = index - this.#imports.length;
    const own = this.#module.functions[callee];
    const imported = this.#module.imports[index];
    const typeIndex = own?.type ?? imported?.type ?? refuse("a call leads nowhere", place);
    const type = this.#type(typeIndex);
    this.#height.pop(type.params.length, place);
    this.#height.push(type.results.length, place);
    this.#pay(this.#imports[index]?.price ?? 1);
    if (own) this.#calls.push({ callee, place });
  }
}

/** Integer division is two rows of four; those of floats stand alone. */
function isSlow(op: number): boolean {
  const isInteger =
    (op >= OP.i32DivS && op < OP.i32DivS + 4) || (op >= OP.i64DivS && op < OP.i64DivS + 4);
  return (
    isInteger || op === OP.f32Div || op === OP.f64Div || op === OP.f32Sqrt || op === OP.f64Sqrt
  );
}
