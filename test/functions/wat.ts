// Functions' modules written by hand, instruction by instruction, for what asc never writes.

import { API, API_MODULE } from "../../controller/linker/api.ts";
import { ByteWriter } from "../../controller/linker/byte-writer.ts";
import { type Export, KIND_FUNCTION, KIND_GLOBAL } from "../../controller/linker/module.ts";
import { I32, OP } from "../../controller/linker/opcodes.ts";
import { writeModule } from "../../controller/linker/write-module.ts";

interface HandWrittenFunction {
  params?: readonly number[];
  results?: readonly number[];
  /** Types of its locals. */
  locals?: readonly number[];
  /** Without the last `end`. */
  code: readonly number[];
}

export interface HandWritten {
  /** Names of the API; their indexes are 0, 1, … */
  api?: readonly string[];
  /** Further imports. */
  imports?: readonly { module: string; name: string; params: number[]; results: number[] }[];
  /** The first is `run`, unless `exports` says otherwise. */
  functions: readonly HandWrittenFunction[];
  globals?: readonly { type?: number; mutable?: boolean; initial: number[]; name?: string }[];
  memory?: boolean;
  /** Pieces of static data by offset. */
  data?: readonly (readonly [number, readonly number[]])[];
  start?: number;
  exports?: readonly Export[];
}

const NO_MAXIMUM = 0;

/** Returns the module; nothing is checked. */
export function handWritten(module: HandWritten): Uint8Array {
  const { functions, globals = [], data = [], memory = true } = module;
  const api = (module.api ?? []).map((name) => {
    const known = API.get(name);
    if (!known) throw new Error(`no API function ${name}`);
    return { module: API_MODULE, name, params: [...known.params], results: [...known.results] };
  });
  const imports = [...api, ...(module.imports ?? [])];
  const typed = [...imports, ...functions.map((each) => ({ params: [], results: [I32], ...each }))];
  const run = { name: "run", kind: KIND_FUNCTION, index: imports.length };
  const named = globals.flatMap(({ name }, index) =>
    name === undefined ? [] : [{ name, kind: KIND_GLOBAL, index }],
  );
  return writeModule({
    types: typed.map(({ params, results }) => ({ params, results })),
    imports: imports.map(({ module, name }, type) => ({ module, name, type })),
    functions: functions.map(({ locals = [], code }, index) => ({
      type: imports.length + index,
      body: new ByteWriter()
        .list(locals, (type, to) => to.u32(1).u8(type))
        .bytes(Uint8Array.from(code))
        .u8(OP.end)
        .written(),
    })),
    memories: memory ? [new ByteWriter().u8(NO_MAXIMUM).u32(1).written()] : [],
    globals: globals.map(({ type = I32, mutable = true, initial }) =>
      Uint8Array.from([type, mutable ? 1 : 0, ...initial, OP.end]),
    ),
    exports: module.exports ?? [run, ...named],
    start: module.start,
    data: data.map(([offset, bytes]) =>
      new ByteWriter()
        .u32(0)
        .u8(OP.i32Const)
        .s32(offset)
        .u8(OP.end)
        .sized(Uint8Array.from(bytes))
        .written(),
    ),
  });
}

/** A number on the stack. */
export function i32(value: number): number[] {
  return [OP.i32Const, ...new ByteWriter().s32(value).written()];
}

/** A number as in an index. */
export function u32(value: number): number[] {
  return [...new ByteWriter().u32(value).written()];
}
