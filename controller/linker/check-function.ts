// One function's module → what the linker needs to put it into a slot, or why it is refused. The
// linker and V8's validation are the wall around a function; the language it was written in is not.

import { API, API_MODULE, type ApiFunction } from "./api.ts";
import { MalformedError } from "./byte-reader.ts";
import { checkCallGraph } from "./call-graph.ts";
import {
  DATA_OFFSET,
  MAX_DATA_PIECES,
  MAX_FUNCTION_MODULE_BYTES,
  MAX_GLOBALS,
  MAX_OWN_FUNCTIONS,
  SPACE_BYTES,
} from "./limits.ts";
import { type FunctionType, type Import, KIND_FUNCTION, type Module } from "./module.ts";
import { I32 } from "./opcodes.ts";
import { type Parameter, parametersOf, stateShapeOf } from "./parameters.ts";
import { Places } from "./places.ts";
import { readModule } from "./read-module.ts";
import { type Refusal, RefusedError, refuse } from "./refusal.ts";
import { readSourceMap } from "./source-map.ts";
import { type StaticData, staticDataOf } from "./static-data.ts";
import { type Survey, surveyCode } from "./survey.ts";
import { isValidModule } from "./validation.ts";

/** What is to be put into a slot. */
export interface FunctionModule {
  /** For messages: "shop/split". */
  readonly name: string;
  /** What asc wrote (`portico function build`): it exports `run`, which returns an i32. */
  readonly wasm: Uint8Array;
  /** asc's, as text: for lines in errors. Undefined and invalid: errors name no line. */
  readonly sourceMap?: string | undefined;
  /** Values for exported variables of the function, in place of those in its source. */
  readonly parameters?: Readonly<Record<string, number | boolean>> | undefined;
}

/** A function that may be linked. */
export interface CheckedFunction {
  readonly module: Module;
  /** For each import the API's function; undefined for abort. */
  readonly imports: readonly (ApiFunction | undefined)[];
  readonly surveys: readonly Survey[];
  /** Index of `run` among all functions of the module. */
  readonly run: number;
  readonly data: readonly StaticData[];
  readonly hasStores: boolean;
  readonly usesState: boolean;
  /** The exported variable stateShape; 0 without one. */
  readonly stateShape: number;
  /** In the order of the source, with the values that this link gives them. */
  readonly parameters: readonly Parameter[];
  readonly places: Places;
}

/** Returns what link() needs of the function, or why it is refused. Throws nothing. */
export function checkFunction(given: FunctionModule): CheckedFunction | Refusal {
  let module: Module | undefined;
  try {
    if (given.wasm.length > MAX_FUNCTION_MODULE_BYTES) {
      refuse(
        `it has ${given.wasm.length} bytes; the limit is ${MAX_FUNCTION_MODULE_BYTES} ` +
          "(MAX_FUNCTION_MODULE_BYTES)",
      );
    }
    module = readModule(given.wasm);
    return check(given, module);
  } catch (error) {
    const isOurs = error instanceof RefusedError || error instanceof MalformedError;
    if (!isOurs) throw error;
    return { reason: error.message, line: lineOf(given, module, error.place) };
  }
}

function lineOf(given: FunctionModule, module: Module | undefined, place: number | undefined) {
  if (!module || place === undefined) return undefined;
  return new Places(module, readSourceMap(given.sourceMap)).lineOf(place);
}

function check(given: FunctionModule, module: Module): CheckedFunction {
  checkParts(module);
  const imports = module.imports.map((each) => apiFunctionOf(module, each));
  const surveys = module.functions.map((code) => surveyCode(module, code, imports));
  checkCallGraph(surveys);
  const run = runOf(module);
  const data = staticDataOf(module, DATA_OFFSET, SPACE_BYTES);
  const parameters = parametersOf(module, surveys, given.parameters ?? {});
  // Last: errors above name what is wrong in better words.
  if (!isValidModule(given.wasm)) refuse("V8 does not validate it: its types do not match");
  return {
    module,
    imports,
    surveys,
    run,
    data,
    hasStores: surveys.some((survey) => survey.hasStores),
    usesState: module.imports.some((each) => each.module === API_MODULE && each.name === "state"),
    stateShape: stateShapeOf(module),
    parameters,
    places: new Places(
      module,
      readSourceMap(given.sourceMap),
      surveys.map((survey) => survey.calls),
    ),
  };
}

function checkParts(module: Module): void {
  if (module.tables || module.elements.length > 0) {
    refuse("it uses a function as a value: callbacks and closures are not available");
  }
  if (module.hasTags) refuse("it has exceptions of its own");
  if (module.memories.length > 1) refuse("it has two memories");
  const { start } = module;
  if (start !== undefined && !module.functions[start - module.imports.length]) {
    refuse("its start is not a function of its own");
  }
  const counts: [string, number, number][] = [
    ["functions", module.functions.length, MAX_OWN_FUNCTIONS],
    ["global variables", module.globals.length, MAX_GLOBALS],
    ["pieces of static data", module.data.length, MAX_DATA_PIECES],
  ];
  for (const [what, count, limit] of counts) {
    if (count > limit) refuse(`it has ${count} ${what}; the limit is ${limit}`);
  }
  for (const type of module.types) {
    if (type.results.length > 1) refuse("one of its functions returns more than one value");
  }
}

/** Undefined for abort, which the linker writes itself. */
function apiFunctionOf(module: Module, each: Import): ApiFunction | undefined {
  const type = module.types[each.type] ?? refuse("an import has a type that does not exist");
  const wanted =
    each.module === "env" && each.name === "abort"
      ? { params: [I32, I32, I32, I32], results: [] }
      : knownFunction(each);
  if (!isSameType(type, wanted)) {
    refuse(`it imports ${each.module}.${each.name} with other types than this version has`);
  }
  return "price" in wanted ? wanted : undefined;
}

function knownFunction({ module, name }: Import): ApiFunction {
  const known = module === API_MODULE ? API.get(name) : undefined;
  if (known) return known;
  const version = /^portico\/(?<version>\d+)$/.exec(module)?.groups?.version;
  if (version !== undefined && module !== API_MODULE) {
    return refuse(`it was built for version ${version} of the API; this is ${API_MODULE}`);
  }
  return refuse(`it imports ${module}.${name}, which the API (${API_MODULE}) does not have`);
}

/** Reports whether both take and return the same. */
export function isSameType(one: FunctionType, other: FunctionType): boolean {
  return (
    String(one.params) === String(other.params) && String(one.results) === String(other.results)
  );
}

function runOf(module: Module): number {
  const run = module.exports.find(({ name, kind }) => name === "run" && kind === KIND_FUNCTION);
  if (!run) return refuse("it exports no function `run`; build it with `portico function build`");
  const own = module.functions[run.index - module.imports.length];
  const type = own && module.types[own.type];
  if (!type || !isSameType(type, { params: [], results: [I32] })) {
    return refuse("its `run` has to take nothing and to return an i32");
  }
  return run.index;
}
