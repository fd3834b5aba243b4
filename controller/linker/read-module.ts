// Bytes → a module, or MalformedError. It reads what asc writes: functions of numbers, at most
// tables of functions. Types of the code are not checked here: V8 does that.

import { ByteReader } from "./byte-reader.ts";
import {
  type Code,
  type Data,
  type Elements,
  type Export,
  type FunctionType,
  type Global,
  type Import,
  KIND_FUNCTION,
  MAGIC,
  type Module,
  SECTION,
} from "./module.ts";
import { IMMEDIATE, IMMEDIATE_OF, isNumberType, OP } from "./opcodes.ts";

const FUNCTION_TYPE = 0x60;

/** Throws MalformedError. */
export function readModule(bytes: Uint8Array): Module {
  const reader = new ByteReader(bytes);
  const magic = reader.take(Math.min(MAGIC.length, bytes.length));
  if (MAGIC.some((byte, index) => magic[index] !== byte)) {
    reader.offset = 0;
    reader.fail("it is not a WebAssembly module of version 1");
  }
  const module: Module = {
    bytes,
    types: [],
    imports: [],
    functions: [],
    tables: undefined,
    memories: [],
    globals: [],
    exports: [],
    start: undefined,
    elements: [],
    data: [],
    hasTags: false,
  };
  const typesOfFunctions: number[] = [];
  while (!reader.isAtEnd) {
    const id = reader.u8();
    const section = reader.part(reader.u32());
    if (id === SECTION.custom) continue;
    readSection(module, id, section, typesOfFunctions);
    if (!section.isAtEnd) section.fail(`section ${id} is longer than its content`);
  }
  if (module.functions.length !== typesOfFunctions.length) {
    reader.fail("it declares functions that have no code");
  }
  return module;
}

function readSection(module: Module, id: number, section: ByteReader, types: number[]): void {
  switch (id) {
    case SECTION.type:
      module.types = section.list(() => functionType(section));
      return;
    case SECTION.import:
      module.imports = section.list(() => importOf(section));
      return;
    case SECTION.function:
      for (const type of section.list(() => section.u32())) types.push(type);
      return;
    case SECTION.table:
      module.tables = section.take(section.end - section.offset);
      return;
    case SECTION.memory:
      module.memories = section.list(() => limits(section));
      return;
    case SECTION.global:
      module.globals = section.list(() => global(section));
      return;
    case SECTION.export:
      module.exports = section.list(() => exportOf(section));
      return;
    case SECTION.start:
      module.start = section.u32();
      return;
    case SECTION.element:
      module.elements = section.list(() => elements(section));
      return;
    case SECTION.code:
      readCode(module, section, types);
      return;
    case SECTION.data:
      module.data = section.list(() => data(section));
      return;
    case SECTION.dataCount:
      section.u32();
      return;
    case SECTION.tag:
      module.hasTags = true;
      section.take(section.end - section.offset);
      return;
    default:
      section.fail(`it has a section ${id}, which is unknown`);
  }
}

function functionType(section: ByteReader): FunctionType {
  if (section.u8() !== FUNCTION_TYPE) section.fail("a type is not that of a function");
  const number = () => {
    const type = section.u8();
    return isNumberType(type) ? type : section.fail("a function takes or returns no number");
  };
  return { params: section.list(number), results: section.list(number) };
}

function importOf(section: ByteReader): Import {
  const module = section.name();
  const name = section.name();
  if (section.u8() !== KIND_FUNCTION) {
    section.fail(`it imports ${module}.${name}, which is not a function`);
  }
  return { module, name, type: section.u32() };
}

function limits(section: ByteReader): Uint8Array {
  const start = section.offset;
  const flags = section.u8();
  if (flags > 1) section.fail("its memory is shared, or of 64 bits");
  section.u32();
  if (flags === 1) section.u32();
  return section.bytes.subarray(start, section.offset);
}

function global(section: ByteReader): Global {
  const type = section.u8();
  if (!isNumberType(type)) section.fail("a global is not a number");
  const isMutable = section.u8() === 1;
  return { type, isMutable, initial: constantExpression(section) };
}

/** One instruction that gives a number, and `end`; returns it without `end`. */
function constantExpression(section: ByteReader): Uint8Array {
  const start = section.offset;
  const op = section.u8();
  const kind = IMMEDIATE_OF[op];
  if (kind === IMMEDIATE.i32) section.s32();
  else if (kind === IMMEDIATE.i64) section.s64();
  else if (kind === IMMEDIATE.f32) section.take(4);
  else if (kind === IMMEDIATE.f64) section.take(8);
  else section.fail("a first value or an offset is not a number");
  const end = section.offset;
  if (section.u8() !== OP.end) section.fail("a first value or an offset is computed");
  return section.bytes.subarray(start, end);
}

function exportOf(section: ByteReader): Export {
  return { name: section.name(), kind: section.u8(), index: section.u32() };
}

function elements(section: ByteReader): Elements {
  if (section.u32() !== 0) section.fail("it has elements of another kind than asc writes");
  return {
    offset: constantExpression(section),
    functions: section.list(() => section.u32()),
  };
}

function readCode(module: Module, section: ByteReader, types: readonly number[]): void {
  const bodies = section.list(() => section.part(section.u32()));
  module.functions = bodies.map((body, index): Code => {
    const type = types[index] ?? body.fail("it has code of a function that is not declared");
    const locals = body.list(() => ({ count: body.u32(), type: body.u8() }));
    if (locals.some((run) => !isNumberType(run.type))) body.fail("a local is not a number");
    return { type, locals, start: body.offset, end: body.end };
  });
}

const ACTIVE = 0;
const PASSIVE = 1;

function data(section: ByteReader): Data {
  const mode = section.u32();
  if (mode !== ACTIVE && mode !== PASSIVE) section.fail("it has data for a second memory");
  const offset = mode === ACTIVE ? constantExpression(section) : undefined;
  return { offset, bytes: section.take(section.u32()) };
}
