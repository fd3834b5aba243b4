// A WebAssembly module's bytes → the types of the functions that it imports and exports, which
// JavaScript's own WebAssembly does not say. As in the core specification, 5.5 "Modules". A module
// that does not compile is not for this file; it throws at one.

interface ModuleTypes {
  /** By "module.name". A type as in wasm/envoy-abi.ts; what is no i32 and no i64 is "?". */
  imports: ReadonlyMap<string, string>;
  /** By name. */
  exports: ReadonlyMap<string, string>;
}

const SECTION_TYPE = 1;
const SECTION_IMPORT = 2;
const SECTION_FUNCTION = 3;
const SECTION_EXPORT = 7;
const KIND_FUNCTION = 0;
const KIND_MEMORY = 2;
const KIND_GLOBAL = 3;
const LETTERS: ReadonlyMap<number, string> = new Map([
  [0x7f, "i"],
  [0x7e, "I"],
]);

class Reader {
  #at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error("the module is cut short");
    return byte;
  }

  /** LEB128, unsigned. */
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  bytes(): Uint8Array {
    const size = this.number();
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  text(): string {
    return Buffer.from(this.bytes()).toString("utf8");
  }

  list<Item>(read: (reader: Reader) => Item): Item[] {
    return Array.from({ length: this.number() }, () => read(this));
  }
}

/** "ii:i" of a function type. */
function functionType(reader: Reader): string {
  reader.byte(); // 0x60
  const letters = () => reader.list((each) => LETTERS.get(each.byte()) ?? "?").join("");
  const parameters = letters();
  return `${parameters}:${letters()}`;
}

function skipLimits(reader: Reader): void {
  const hasMaximum = (reader.byte() & 1) !== 0;
  reader.number();
  if (hasMaximum) reader.number();
}

/** The number of its type when it is a function. */
function importedType(reader: Reader): number | undefined {
  const kind = reader.byte();
  if (kind === KIND_FUNCTION) return reader.number();
  if (kind !== KIND_MEMORY) reader.byte(); // of a table's elements, of a global's value
  if (kind === KIND_GLOBAL)
    reader.byte(); // whether it changes
  else skipLimits(reader);
  return undefined;
}

/** Bytes of the sections, by number; custom ones are left out. */
function sectionsOf(wasm: Uint8Array): Map<number, Uint8Array> {
  const sections = new Map<number, Uint8Array>();
  const reader = new Reader(wasm, 8);
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const content = reader.bytes();
    if (id !== 0) sections.set(id, content);
  }
  return sections;
}

export function typesOf(wasm: Uint8Array): ModuleTypes {
  const sections = sectionsOf(wasm);
  const list = <Item>(id: number, read: (reader: Reader) => Item) =>
    new Reader(sections.get(id) ?? new Uint8Array(1)).list(read);
  const types = list(SECTION_TYPE, functionType);
  const typeOf = (number: number | undefined) => types[number ?? -1] ?? "?";
  const imported = list(SECTION_IMPORT, (reader) => {
    const name = `${reader.text()}.${reader.text()}`;
    return { name, type: importedType(reader) };
  }).filter(({ type }) => type !== undefined);
  const functions = [
    ...imported.map(({ type }) => type),
    ...list(SECTION_FUNCTION, (reader) => reader.number()),
  ];
  const exported = list(SECTION_EXPORT, (reader) => {
    const name = reader.text();
    return { name, kind: reader.byte(), index: reader.number() };
  }).filter(({ kind }) => kind === KIND_FUNCTION);
  return {
    imports: new Map(imported.map(({ name, type }) => [name, typeOf(type)])),
    exports: new Map(exported.map(({ name, index }) => [name, typeOf(functions[index])])),
  };
}

/** "(i32, i64) → i32" of "iI:i". */
export function shownType(type: string): string {
  const names = (letters: string) =>
    [...letters].map((each) => (each === "i" ? "i32" : each === "I" ? "i64" : "another"));
  const [parameters = "", result = ""] = type.split(":");
  return `(${names(parameters).join(", ")}) → ${names(result).join(", ") || "nothing"}`;
}
