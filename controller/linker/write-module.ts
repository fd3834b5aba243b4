// Parts → the bytes of a WebAssembly module, in the order that the format prescribes.

import { ByteWriter } from "./byte-writer.ts";
import {
  type Elements,
  type Export,
  type FunctionType,
  type Import,
  KIND_FUNCTION,
  MAGIC,
  SECTION,
} from "./module.ts";
import { OP } from "./opcodes.ts";

const FUNCTION_TYPE = 0x60;

/** Indexes are those of the module to write. */
interface ModuleParts {
  readonly types: readonly FunctionType[];
  readonly imports: readonly Import[];
  /** Body: locals and instructions. */
  readonly functions: readonly { readonly type: number; readonly body: Uint8Array }[];
  /** The content of the section; undefined without one. */
  readonly tables?: Uint8Array | undefined;
  /** The limits of each. */
  readonly memories: readonly Uint8Array[];
  /** Types of tags. */
  readonly tags?: readonly number[];
  /** Type, mutability and first value of each. */
  readonly globals: readonly Uint8Array[];
  readonly exports: readonly Export[];
  readonly start?: number | undefined;
  readonly elements?: readonly Elements[];
  /** Each with its mode and offset. */
  readonly data: readonly Uint8Array[];
}

/** Returns the module. It is as valid as the parts are: nothing is checked here. */
export function writeModule(parts: ModuleParts): Uint8Array {
  const out = new ByteWriter().u8(...MAGIC);
  const { tables, start, tags = [], elements = [] } = parts;
  const section = <Item>(
    id: number,
    items: readonly Item[],
    write: (item: Item, to: ByteWriter) => void,
  ) => {
    if (items.length > 0) out.u8(id).sized(new ByteWriter().list(items, write).written());
  };
  section(SECTION.type, parts.types, writeType);
  section(SECTION.import, parts.imports, writeImport);
  section(SECTION.function, parts.functions, ({ type }, to) => to.u32(type));
  if (tables) out.u8(SECTION.table).sized(tables);
  section(SECTION.memory, parts.memories, (memory, to) => to.bytes(memory));
  section(SECTION.tag, tags, (type, to) => to.u8(0).u32(type));
  section(SECTION.global, parts.globals, (global, to) => to.bytes(global));
  section(SECTION.export, parts.exports, writeExport);
  if (start !== undefined) out.u8(SECTION.start).sized(new ByteWriter().u32(start).written());
  section(SECTION.element, elements, writeElements);
  const dataCount = new ByteWriter().u32(parts.data.length).written();
  if (parts.data.length > 0) out.u8(SECTION.dataCount).sized(dataCount);
  section(SECTION.code, parts.functions, ({ body }, to) => to.sized(body));
  section(SECTION.data, parts.data, (data, to) => to.bytes(data));
  return out.written();
}

function writeType({ params, results }: FunctionType, to: ByteWriter): void {
  to.u8(FUNCTION_TYPE);
  to.list(params, (type) => to.u8(type));
  to.list(results, (type) => to.u8(type));
}

function writeImport({ module, name, type }: Import, to: ByteWriter): void {
  to.name(module).name(name).u8(KIND_FUNCTION).u32(type);
}

function writeExport({ name, kind, index }: Export, to: ByteWriter): void {
  to.name(name).u8(kind).u32(index);
}

function writeElements({ offset, functions }: Elements, to: ByteWriter): void {
  to.u32(0).bytes(offset).u8(OP.end);
  to.list(functions, (index) => to.u32(index));
}
