// The plugin's functions in the linked module: its imports for hooks go, the linker's functions
// come behind its own, so every index behind such an import changes.

import { API, API_EXPORT, FUEL_LEFT_HOOK, HOOK_MODULE, PICK_HOOK } from "./api.ts";
import { isSameType } from "./check-function.ts";
import { CodeWriter } from "./code-writer.ts";
import { Instructions } from "./instructions.ts";
import { type Code, type FunctionType, KIND_FUNCTION, type Module } from "./module.ts";
import { I32, OP } from "./opcodes.ts";
import { refuse } from "./refusal.ts";

export const PICK_TYPE: FunctionType = { params: [I32, I32, I32, I32], results: [I32] };
export const FUEL_LEFT_TYPE: FunctionType = { params: [], results: [I32] };

/** Functions of the linker that take the place of imports, in the order in which it adds them. */
const HOOKS: readonly (readonly [string, FunctionType])[] = [
  [PICK_HOOK, PICK_TYPE],
  [FUEL_LEFT_HOOK, FUEL_LEFT_TYPE],
];

export class PluginFunctions {
  readonly plugin: Module;
  readonly importCount: number;
  /** By index in the plugin, the index in the linked module. */
  readonly #indexes: readonly number[];

  /** Throws RefusedError when the plugin has no hook, or one of another type. */
  constructor(plugin: Module) {
    this.plugin = plugin;
    checkHooks(plugin);
    checkApi(plugin);
    this.importCount = plugin.imports.filter((_, index) => !this.isHook(index)).length;
    let kept = 0;
    const imports = plugin.imports.map(({ name }, index) => {
      if (!this.isHook(index)) return kept++;
      const hook = HOOKS.findIndex(([each]) => each === name);
      return this.importCount + plugin.functions.length + hook;
    });
    const own = plugin.functions.map((_, index) => this.importCount + index);
    this.#indexes = [...imports, ...own];
  }

  /** Reports whether the import becomes a function of the linked module. */
  isHook(index: number): boolean {
    return this.plugin.imports[index]?.module === HOOK_MODULE;
  }

  /** Throws RefusedError for an index that the plugin does not have. */
  indexOf(index: number): number {
    return this.#indexes[index] ?? refuse("a call leads nowhere");
  }

  /** Returns the linked index of what it exports for the API; undefined when it lacks it. */
  apiFunction(name: string): number | undefined {
    const found = apiExports(this.plugin).find((each) => each.name === `${API_EXPORT}${name}`);
    return found && this.indexOf(found.index);
  }

  /** Returns the code of one of its functions with the indexes of the linked module. */
  rewrite({ locals, start, end }: Code): Uint8Array {
    const out = new CodeWriter().list(locals, ({ count, type }, to) => to.u32(count).u8(type));
    const instructions = new Instructions(this.plugin.bytes, start, end);
    while (instructions.next()) {
      if (instructions.op === OP.call) out.call(this.indexOf(instructions.index));
      else out.bytes(instructions.raw);
    }
    return out.written();
  }
}

function typeOf(plugin: Module, index: number): FunctionType | undefined {
  const own = plugin.functions[index - plugin.imports.length];
  return plugin.types[own?.type ?? plugin.imports[index]?.type ?? -1];
}

function apiExports(plugin: Module) {
  return plugin.exports.filter(
    ({ name, kind }) => kind === KIND_FUNCTION && name.startsWith(API_EXPORT),
  );
}

function checkHooks(plugin: Module): void {
  const hooks = plugin.imports.filter(({ module }) => module === HOOK_MODULE);
  for (const { name, type } of hooks) {
    const known = HOOKS.find(([each]) => each === name);
    const actual = plugin.types[type];
    if (!known || !actual || !isSameType(actual, known[1])) {
      refuse(
        `it imports ${HOOK_MODULE}.${name}, unknown or with other types than this version has`,
      );
    }
  }
  if (!hooks.some(({ name }) => name === PICK_HOOK)) {
    refuse(`it asks no function: it does not import ${HOOK_MODULE}.${PICK_HOOK}`);
  }
}

function checkApi(plugin: Module): void {
  for (const { name, index } of apiExports(plugin)) {
    const wanted = API.get(name.slice(API_EXPORT.length));
    const actual = typeOf(plugin, index);
    if (wanted && !(actual && isSameType(actual, wanted))) {
      refuse(`its ${name} has other types than this version has`);
    }
  }
}
