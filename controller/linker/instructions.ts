// The code of one function → its instructions, one at a time. It allocates nothing for each: the
// fields describe the present instruction until the next call of next().

import { ByteReader } from "./byte-reader.ts";
import { EMPTY, IMMEDIATE, IMMEDIATE_OF, isNumberType, OP, PREFIXED } from "./opcodes.ts";

/** Names a second memory, in the alignment of a load or store. */
const HAS_MEMORY_INDEX = 0x40;

export class Instructions {
  readonly bytes: Uint8Array;
  readonly #reader: ByteReader;
  readonly #end: number;
  /** Offset of its opcode in the module. */
  place = 0;
  op = 0;
  /** What follows OP.prefixed; else 0. */
  prefixed = 0;
  /** Of a local, global, function or label; of a load or store the alignment. */
  index = 0;
  /** What a load or store adds to its address. */
  memoryOffset = 0;
  /** Of a block: how many results it leaves. */
  results = 0;
  /** The number of i32.const or i64.const. */
  constant = 0n;

  /** `start` and `end`: where the instructions are in the module's bytes. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.#reader = new ByteReader(bytes, start, end);
    this.#end = end;
  }

  /** Where the next instruction starts. */
  get nextPlace(): number {
    return this.#reader.offset;
  }

  /** Its bytes, as a view. */
  get raw(): Uint8Array {
    return this.bytes.subarray(this.place, this.#reader.offset);
  }

  /** Reads the next instruction; false at the end. Throws MalformedError. */
  next(): boolean {
    const reader = this.#reader;
    if (reader.offset >= this.#end) return false;
    this.place = reader.offset;
    this.op = reader.u8();
    this.prefixed = 0;
    this.#readImmediate(IMMEDIATE_OF[this.op] ?? 0);
    return true;
  }

  #readImmediate(kind: number): void {
    const reader = this.#reader;
    switch (kind) {
      case IMMEDIATE.none:
        return;
      case IMMEDIATE.index:
        this.index = reader.u32();
        return;
      case IMMEDIATE.i32:
        this.constant = BigInt(reader.s32());
        return;
      case IMMEDIATE.memory:
        this.index = reader.u32();
        if (this.index >= HAS_MEMORY_INDEX) this.#refuse("it names a second memory");
        this.memoryOffset = reader.u32();
        return;
      case IMMEDIATE.blockType:
        this.results = this.#blockResults();
        return;
      default:
        this.#readRareImmediate(kind);
    }
  }

  #readRareImmediate(kind: number): void {
    const reader = this.#reader;
    if (kind === IMMEDIATE.i64) this.constant = reader.s64();
    else if (kind === IMMEDIATE.f32) reader.take(4);
    else if (kind === IMMEDIATE.f64) reader.take(8);
    else if (kind === IMMEDIATE.labels) this.#skipLabels();
    else if (kind === IMMEDIATE.types) this.#skipTypes();
    else if (kind === IMMEDIATE.prefixed) this.#readPrefixed();
    else if (kind === IMMEDIATE.zero) {
      if (reader.u8() !== 0) this.#refuse("it names a second memory");
    } else if (kind === IMMEDIATE.tableCall) {
      this.index = reader.u32();
      reader.u32();
    } else this.#refuse(`the instruction 0x${this.op.toString(16)} is not allowed`);
  }

  #blockResults(): number {
    const type = this.#reader.u8();
    if (type === EMPTY) return 0;
    if (isNumberType(type)) return 1;
    return this.#refuse("a block has parameters, or results that are not one number");
  }

  #skipLabels(): void {
    const count = this.#reader.u32();
    if (count >= this.#end - this.#reader.offset) this.#reader.fail("it ends too early");
    for (let label = 0; label <= count; label++) this.#reader.u32();
  }

  #skipTypes(): void {
    const isOneNumber = this.#reader.u32() === 1 && isNumberType(this.#reader.u8());
    if (!isOneNumber) this.#refuse("a select is not of numbers");
  }

  #readPrefixed(): void {
    const reader = this.#reader;
    this.prefixed = reader.u32();
    if (this.prefixed <= PREFIXED.lastTruncSat) return;
    if (this.prefixed > PREFIXED.memoryFill) {
      this.#refuse(`the instruction 0x${OP.prefixed.toString(16)} ${this.prefixed} is not allowed`);
    }
    reader.u32();
    const hasTwo = this.prefixed === PREFIXED.memoryInit || this.prefixed === PREFIXED.memoryCopy;
    if (hasTwo) reader.u32();
  }

  #refuse(message: string): never {
    this.#reader.offset = this.place;
    return this.#reader.fail(message);
  }
}
