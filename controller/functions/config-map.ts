// A function → the ConfigMap by which nodes get it: its source, so that everybody can read what
// runs, its module, and the source map that turns failures into lines.
//
// A folder of functions (`--functions DIR`, or the ConfigMap mounted) has the same files.

import { stringify } from "yaml";
import type { FunctionModule } from "../linker/check-function.ts";

export const SOURCE_ENDING = ".ts";
export const MODULE_ENDING = ".wasm";
export const MAP_ENDING = ".wasm.map";

/** Kubernetes takes no more in one object. */
const MAX_BYTES = 1024 * 1024;

interface Built {
  readonly module: FunctionModule;
  readonly source: string;
}

/** Returns the ConfigMap as YAML. Throws where the functions are too large for one. */
export function configMapOf(name: string, namespace: string | undefined, built: readonly Built[]) {
  const data: Record<string, string> = {};
  const binaryData: Record<string, string> = {};
  for (const { module, source } of built) {
    data[`${module.name}${SOURCE_ENDING}`] = source;
    if (module.sourceMap) data[`${module.name}${MAP_ENDING}`] = module.sourceMap;
    binaryData[`${module.name}${MODULE_ENDING}`] = Buffer.from(module.wasm).toString("base64");
  }
  const metadata = namespace === undefined ? { name } : { name, namespace };
  const text = stringify({ apiVersion: "v1", kind: "ConfigMap", metadata, data, binaryData });
  if (text.length > MAX_BYTES) {
    throw new Error(`the functions have ${text.length} bytes; a ConfigMap holds ${MAX_BYTES}`);
  }
  return text;
}
