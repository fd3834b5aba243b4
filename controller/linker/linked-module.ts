// The module that is being linked: its parts grow, and are written at the end.

import { API_EXPORT } from "./api.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type FunctionType, KIND_FUNCTION, type Module } from "./module.ts";
import { I32, OP } from "./opcodes.ts";
import type { PluginFunctions } from "./plugin-functions.ts";
import { writeModule } from "./write-module.ts";

const HAS_MAXIMUM = 1;

interface LinkedCode {
  readonly type: number;
  body: Uint8Array;
}

export class LinkedModule {
  readonly #plugin: Module;
  readonly #pluginFunctions: PluginFunctions;
  readonly #types: FunctionType[];
  readonly #typeIndexes = new Map<string, number>();
  readonly #functions: LinkedCode[] = [];
  readonly #globals: Uint8Array[] = [];
  readonly #data: Uint8Array[] = [];
  readonly #tagType: number;
  #ownPages = 0;
  #size = 0;

  /** Starts without the plugin's functions, globals and data. */
  constructor(pluginFunctions: PluginFunctions) {
    const { plugin } = pluginFunctions;
    this.#plugin = plugin;
    this.#pluginFunctions = pluginFunctions;
    this.#types = [...plugin.types];
    plugin.types.forEach((type, index) => {
      if (!this.#typeIndexes.has(keyOf(type))) this.#typeIndexes.set(keyOf(type), index);
    });
    this.#tagType = this.type({ params: [I32], results: [] });
  }

  /** The index that the next function gets. */
  get nextFunction(): number {
    return this.#pluginFunctions.importCount + this.#functions.length;
  }

  /** The index that the next global gets. */
  get nextGlobal(): number {
    return this.#globals.length;
  }

  /** How many bytes were added so far, without the sizes of parts. */
  get size(): number {
    return this.#size;
  }

  /** Returns the type's index. */
  type(type: FunctionType): number {
    const known = this.#typeIndexes.get(keyOf(type));
    if (known !== undefined) return known;
    const index = this.#types.push(type) - 1;
    this.#typeIndexes.set(keyOf(type), index);
    return index;
  }

  /** Adds a function: locals and instructions. Returns its index. */
  addFunction(type: number, body: Uint8Array): number {
    const index = this.nextFunction;
    this.#functions.push({ type, body });
    this.#size += body.length;
    return index;
  }

  /** Adds a function whose body is set later. */
  reserveFunction(type: number): LinkedCode {
    const code: LinkedCode = { type, body: new Uint8Array() };
    this.#functions.push(code);
    return code;
  }

  /** `initial`: one instruction, without `end`. Returns its index. */
  addGlobal(type: number, isMutable: boolean, initial: Uint8Array): number {
    const global = new ByteWriter()
      .u8(type, isMutable ? 1 : 0)
      .bytes(initial)
      .u8(OP.end);
    this.#size += global.length;
    return this.#globals.push(global.written()) - 1;
  }

  /** Adds static data that is put into the functions' own memory at the start. */
  addData(address: number, bytes: Uint8Array): void {
    const data = new ByteWriter().u32(2).u32(1).u8(OP.i32Const).s32(address).u8(OP.end);
    this.#data.push(data.sized(bytes).written());
    this.#size += data.length;
  }

  /** Adds static data that code puts into a memory. Returns its index. */
  addPassiveData(bytes: Uint8Array): number {
    this.#size += bytes.length;
    return this.#data.push(new ByteWriter().u32(1).sized(bytes).written()) - 1;
  }

  /** Adds the plugin's data; before any other. */
  addPluginData(): void {
    for (const { offset, bytes } of this.#plugin.data) {
      const data = new ByteWriter();
      if (offset) data.u32(0).bytes(offset).u8(OP.end);
      else data.u32(1);
      this.#data.push(data.sized(bytes).written());
    }
  }

  /** Gives the functions their own memory, of so many pages of 64 KiB, never more. */
  setOwnPages(pages: number): void {
    this.#ownPages = pages;
  }

  written(): Uint8Array {
    const plugin = this.#plugin;
    const indexOf = (index: number) => this.#pluginFunctions.indexOf(index);
    return writeModule({
      types: this.#types,
      imports: plugin.imports.filter((_, index) => !this.#pluginFunctions.isHook(index)),
      functions: this.#functions,
      tables: plugin.tables,
      memories: [...plugin.memories, this.#ownMemory()],
      tags: [this.#tagType],
      globals: this.#globals,
      // Without the API: only functions may call it.
      exports: plugin.exports
        .filter(({ name }) => !name.startsWith(API_EXPORT))
        .map(({ name, kind, index }) => {
          return { name, kind, index: kind === KIND_FUNCTION ? indexOf(index) : index };
        }),
      start: plugin.start === undefined ? undefined : indexOf(plugin.start),
      elements: plugin.elements.map(({ offset, functions }) => {
        return { offset, functions: functions.map(indexOf) };
      }),
      data: this.#data,
    });
  }

  #ownMemory(): Uint8Array {
    return new ByteWriter().u8(HAS_MAXIMUM).u32(this.#ownPages).u32(this.#ownPages).written();
  }
}

function keyOf({ params, results }: FunctionType): string {
  return `${params}>${results}`;
}
