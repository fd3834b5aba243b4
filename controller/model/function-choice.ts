// The annotations of a Service that say which function picks its backends, and with which
// parameters. What the function's own parameters are is checked where it is linked.

import { hasKey, type ObjectReader, recordOf } from "./json.ts";
import {
  hasAnnotation,
  refuseAnnotation,
  SETTING_NAMES,
  textOfAnnotation,
} from "./setting-annotations.ts";
import type { FunctionChoice } from "./types.ts";

/** The name of a function: that of its file, without ".wasm". */
const FUNCTION_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_PARAMETERS = 32;
/** Names of exported variables. */
const PARAMETER_NAME = /^[A-Za-z_$][\w$]{0,63}$/;

/** Returns undefined where no function is chosen, or (with a problem) none can be. */
export function functionChoice(reader: ObjectReader): FunctionChoice | undefined {
  const parameters = parametersOf(reader);
  if (!hasAnnotation(reader, SETTING_NAMES.pick)) {
    if (Object.keys(parameters ?? {}).length === 0) return undefined;
    const why = `it needs ${SETTING_NAMES.pick}, which names the function`;
    refuseAnnotation(reader, SETTING_NAMES.pickParameters, why);
    return undefined;
  }
  const name = textOfAnnotation(reader, SETTING_NAMES.pick);
  if (FUNCTION_NAME.test(name)) return parameters && { name, parameters };
  const must = "it must be the name of a function: lower case letters, digits and -";
  refuseAnnotation(reader, SETTING_NAMES.pick, `${must}; balancing applies`);
  return undefined;
}

/** Returns them sorted by name: none without the annotation, undefined where it is wrong. */
function parametersOf(reader: ObjectReader): FunctionChoice["parameters"] | undefined {
  if (!hasAnnotation(reader, SETTING_NAMES.pickParameters)) return {};
  const given = jsonObject(textOfAnnotation(reader, SETTING_NAMES.pickParameters));
  const entries = Object.entries(given ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
  const areGood = entries.every(([name, value]) => PARAMETER_NAME.test(name) && isValue(value));
  if (given && areGood && entries.length <= MAX_PARAMETERS) {
    return Object.fromEntries(entries) as FunctionChoice["parameters"];
  }
  const must = `it must be a JSON object of numbers, true and false, such as {"share": 10}`;
  refuseAnnotation(reader, SETTING_NAMES.pickParameters, `${must}; balancing applies`);
  return undefined;
}

function isValue(value: unknown): boolean {
  return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const wrapped: unknown = { value: JSON.parse(text) };
    const { value } = recordOf(wrapped);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject && !hasKey(recordOf(value), "__proto__") ? recordOf(value) : undefined;
  } catch {
    return undefined;
  }
}
