// A WebAssembly module as the linker sees it. What it does not name (custom sections) is dropped.
// Types only, and the numbers of the format.

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** Kinds of imports and exports. */
export const KIND_FUNCTION = 0;
export const KIND_MEMORY = 2;
export const KIND_GLOBAL = 3;

export const MAGIC: readonly number[] = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Value types, one byte each (opcodes.ts). */
export interface FunctionType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

/** A function of another module. */
export interface Import {
  readonly module: string;
  readonly name: string;
  /** Index into the module's types. */
  readonly type: number;
}

/** So many locals of a type, as declared. */
interface LocalRun {
  readonly count: number;
  readonly type: number;
}

export interface Code {
  /** Index into the module's types. */
  readonly type: number;
  readonly locals: readonly LocalRun[];
  /** Offsets in the module's bytes: the instructions, with the last `end`. */
  readonly start: number;
  readonly end: number;
}

export interface Global {
  readonly type: number;
  readonly isMutable: boolean;
  /** The instruction that gives its first value, without `end`. */
  readonly initial: Uint8Array;
}

export interface Export {
  readonly name: string;
  readonly kind: number;
  readonly index: number;
}

export interface Data {
  /** Where it is put at the start, an instruction without `end`; undefined for a passive one. */
  readonly offset: Uint8Array | undefined;
  readonly bytes: Uint8Array;
}

/** Functions of a table, from an offset (an instruction without `end`). */
export interface Elements {
  readonly offset: Uint8Array;
  readonly functions: readonly number[];
}

export interface Module {
  readonly bytes: Uint8Array;
  types: FunctionType[];
  imports: Import[];
  functions: Code[];
  /** The section as it is; undefined without one. */
  tables: Uint8Array | undefined;
  /** Each with its limits as they are. */
  memories: Uint8Array[];
  globals: Global[];
  exports: Export[];
  /** Index of the function that runs first. */
  start: number | undefined;
  elements: Elements[];
  data: Data[];
  hasTags: boolean;
}
