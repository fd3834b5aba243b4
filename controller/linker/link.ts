// Plugin + functions → one module, in which a function answers the plugin's call for a pick and
// can do no harm: it cannot trap, run for long, reach the plugin's memory or another function's, or
// keep anything but its state. Pure: the same input gives the same bytes.
//
// The plugin imports the dispatcher ("functions"."pick", outcome.ts) and exports what functions may
// call ("api_…", api.ts); the linked module has neither import nor exports.

import { API_MODULE, isInlined } from "./api.ts";
import { MalformedError } from "./byte-reader.ts";
import { type CheckedFunction, checkFunction, type FunctionModule } from "./check-function.ts";
import { CodeWriter } from "./code-writer.ts";
import { dispatcher } from "./dispatcher.ts";
import { divisions } from "./division.ts";
import { MAX_SLOTS, PAGE_BYTES, SLOT_BYTES } from "./limits.ts";
import { LinkedModule } from "./linked-module.ts";
import { I32, OP } from "./opcodes.ts";
import { FAILURE_TEXT, failureOf } from "./outcome.ts";
import { FUEL_LEFT_TYPE, PICK_TYPE, PluginFunctions } from "./plugin-functions.ts";
import { readModule } from "./read-module.ts";
import { type Refusal, RefusedError, refuse } from "./refusal.ts";
import type { SlotPlan } from "./rewrite.ts";
import { addGlobals, addSlot } from "./slot.ts";

/** A function that is in the linked module. */
interface LinkedFunction {
  readonly name: string;
  /** Undefined: it is linked. */
  readonly refused?: undefined;
  /** How much larger the linked module is because of it. */
  readonly bytes: number;
  /** The part of the plugin's 1,024 bytes that it may keep between calls. */
  readonly state: {
    readonly isUsed: boolean;
    /** Its exported variable stateShape, 0 without one. Another shape starts with zeros. */
    readonly shape: number;
  };
  /** Its parameters, with the values that are linked. */
  readonly parameters: readonly {
    readonly name: string;
    readonly type: "i32" | "i64" | "f32" | "f64";
    readonly value: number;
  }[];
  /**
   * Why a pick failed, by the dispatcher's answer: "it divided by zero … (pick.ts:9)"; undefined
   * where it did not fail. Without a source map it names no line.
   */
  failureText(answer: number): string | undefined;
}

/** A function that is not in the linked module; its slot answers "noFunction". */
interface RefusedFunction {
  readonly name: string;
  readonly refused: Refusal;
}

export interface Linked {
  readonly wasm: Uint8Array;
  /** By slot, as given; undefined where no function was given. */
  readonly slots: readonly (LinkedFunction | RefusedFunction | undefined)[];
}

/** The plugin cannot take functions: it is broken, or not built for them. */
export class PluginNotLinkableError extends Error {
  override readonly name = "PluginNotLinkableError";
}

/**
 * Links functions into a plugin; a slot is an index in `functions`. A refused function keeps none
 * of the others from being linked. Throws PluginNotLinkableError, and RangeError for more than
 * MAX_SLOTS functions. Whether V8 takes the result is not tried here.
 */
export function link(
  plugin: Uint8Array,
  functions: readonly (FunctionModule | undefined)[],
): Linked {
  if (functions.length > MAX_SLOTS) {
    throw new RangeError(`${functions.length} functions; the limit is ${MAX_SLOTS} (MAX_SLOTS)`);
  }
  const linker = new Linker(readPlugin(plugin));
  const slots = functions.map((each, slot) => each && linker.add(each, slot));
  return { wasm: linker.finish(functions.length), slots };
}

function readPlugin(bytes: Uint8Array): PluginFunctions {
  try {
    const plugin = readModule(bytes);
    if (plugin.memories.length !== 1) refuse("it needs one memory of its own");
    if (plugin.hasTags) refuse("it has exceptions of its own");
    return new PluginFunctions(plugin);
  } catch (error) {
    const isOurs = error instanceof RefusedError || error instanceof MalformedError;
    if (!isOurs) throw error;
    throw new PluginNotLinkableError(`the plugin cannot take functions: ${error.message}`);
  }
}

class Linker {
  readonly #plugin: PluginFunctions;
  readonly #linked: LinkedModule;
  readonly #dispatcher: { body: Uint8Array };
  readonly #fuelGlobal: number;
  readonly #countGlobal: number;
  readonly #divisions: ReadonlyMap<number, number>;
  /** By slot, the function to call. */
  readonly #entries: (number | undefined)[] = [];

  /** Adds what does not depend on the functions. */
  constructor(pluginFunctions: PluginFunctions) {
    this.#plugin = pluginFunctions;
    const { plugin } = pluginFunctions;
    const linked = new LinkedModule(pluginFunctions);
    this.#linked = linked;
    for (const code of plugin.functions) {
      linked.addFunction(code.type, pluginFunctions.rewrite(code));
    }
    for (const { type, isMutable, initial } of plugin.globals) {
      linked.addGlobal(type, isMutable, initial);
    }
    linked.addPluginData();
    const zero = new CodeWriter().i32(0).written();
    this.#fuelGlobal = linked.addGlobal(I32, true, zero);
    this.#countGlobal = linked.addGlobal(I32, true, zero);
    // In the order of HOOKS.
    this.#dispatcher = linked.reserveFunction(linked.type(PICK_TYPE));
    const fuelLeft = new CodeWriter().u32(0).globalGet(this.#fuelGlobal).u8(OP.end);
    linked.addFunction(linked.type(FUEL_LEFT_TYPE), fuelLeft.written());
    this.#divisions = new Map(
      divisions().map(({ op, type, body }) => [op, linked.addFunction(linked.type(type), body)]),
    );
  }

  add(given: FunctionModule, slot: number): LinkedFunction | RefusedFunction {
    const checked = checkFunction(given);
    if ("reason" in checked) return { name: given.name, refused: checked };
    const missing = this.#missingFunction(checked);
    if (missing !== undefined) {
      const reason = `this plugin does not offer ${API_MODULE}.${missing}`;
      return { name: given.name, refused: { reason, line: undefined } };
    }
    const before = this.#linked.size;
    this.#entries[slot] = this.#place(checked, slot);
    return describe(given.name, checked, this.#linked.size - before);
  }

  finish(slots: number): Uint8Array {
    const entries = Array.from({ length: slots }, (_, slot) => this.#entries[slot]);
    this.#dispatcher.body = dispatcher(entries, this.#fuelGlobal, this.#countGlobal);
    this.#linked.setOwnPages(Math.ceil((slots * SLOT_BYTES) / PAGE_BYTES));
    return this.#linked.written();
  }

  #place(checked: CheckedFunction, slot: number): number {
    const plan: SlotPlan = {
      checked,
      base: slot * SLOT_BYTES,
      firstGlobal: this.#linked.nextGlobal,
      firstFunction: this.#linked.nextFunction,
      imported: checked.module.imports.map(({ name }, index) =>
        checked.imports[index] && !isInlined(name) ? this.#plugin.apiFunction(name) : undefined,
      ),
      fuelGlobal: this.#fuelGlobal,
      countGlobal: this.#countGlobal,
      divisions: this.#divisions,
    };
    addGlobals(this.#linked, plan);
    return addSlot(this.#linked, plan);
  }

  #missingFunction({ module, imports }: CheckedFunction): string | undefined {
    const isMissing = (name: string, index: number) =>
      imports[index] && !isInlined(name) && this.#plugin.apiFunction(name) === undefined;
    return module.imports.find(({ name }, index) => isMissing(name, index))?.name;
  }
}

function describe(name: string, checked: CheckedFunction, bytes: number): LinkedFunction {
  return {
    name,
    bytes,
    state: { isUsed: checked.usesState, shape: checked.stateShape },
    parameters: checked.parameters.map(({ name, type, value }) => ({ name, type, value })),
    failureText(answer) {
      const failure = failureOf(answer);
      if (!failure) return undefined;
      const line = failure.place > 0 ? checked.places.lineOf(failure.place) : undefined;
      const text = FAILURE_TEXT[failure.reason];
      return line === undefined ? text : `${text}, at ${line}`;
    },
  };
}
