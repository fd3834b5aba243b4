// Bytes of a WebAssembly module → numbers, names and parts, within bounds. Offsets are those of the
// whole module, also inside a part: a place in an error can be looked up in a source map.

/** The bytes are no module that can be read; the message says what is wrong, `place` where. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
  readonly place: number;

  constructor(message: string, place: number) {
    super(message);
    this.place = place;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  offset: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.offset >= this.end;
  }

  /** Throws MalformedError, with the present place. */
  fail(message: string): never {
    throw new MalformedError(message, this.offset);
  }

  u8(): number {
    if (this.offset >= this.end) this.fail("it ends too early");
    return this.bytes[this.offset++] ?? 0;
  }

  /** LEB128, at most 5 bytes. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        return value < 2 ** 32 ? value : this.fail("a number is larger than 32 bits");
      }
    }
    return this.fail("a number has too many bytes");
  }

  /** LEB128 with a sign, at most 10 bytes. */
  s64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value | (-128n << shift) : value);
    }
    return this.fail("a number has too many bytes");
  }

  /** LEB128 with a sign, at most 5 bytes; more than 32 bits are cut off. */
  s32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return shift + 7 < 32 && byte & 0x40 ? value | (-128 << shift) : value;
    }
    return this.fail("a number has too many bytes");
  }

  /** Returns a view of the next bytes, not a copy. */
  take(count: number): Uint8Array {
    if (count > this.end - this.offset) this.fail("it ends too early");
    this.offset += count;
    return this.bytes.subarray(this.offset - count, this.offset);
  }

  /** Returns a reader of the next bytes, and continues behind them. */
  part(count: number): ByteReader {
    const start = this.offset;
    this.take(count);
    return new ByteReader(this.bytes, start, this.offset);
  }

  name(): string {
    const bytes = this.take(this.u32());
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fail("a name is not UTF-8");
    }
  }

  /** A vector: its count, then each item. */
  list<Item>(item: () => Item): Item[] {
    const count = this.u32();
    // Each item has at least one byte: no count makes this loop longer than the part.
    if (count > this.end - this.offset) this.fail("a list is longer than its section");
    return Array.from({ length: count }, item);
  }
}
