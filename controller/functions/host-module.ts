// A plugin for functions alone: what they call leads straight to the imports from "api". It is what
// functions are tested in, without Envoy.

import {
  API,
  API_EXPORT,
  FUEL_LEFT_HOOK,
  HOOK_MODULE,
  isInlined,
  PICK_HOOK,
} from "../linker/api.ts";
import { ByteWriter } from "../linker/byte-writer.ts";
import { KIND_FUNCTION, KIND_MEMORY } from "../linker/module.ts";
import { FUEL_LEFT_TYPE, PICK_TYPE } from "../linker/plugin-functions.ts";
import { writeModule } from "../linker/write-module.ts";

/** The module that its imports come from. */
export const HOST_IMPORTS = "api";

/**
 * Returns the module. It exports "memory" (one page, all of it the caller's), "pick" and
 * "fuel_left"; link() defines these two.
 */
export function hostModule(): Uint8Array {
  const hooks = [
    { module: HOOK_MODULE, name: PICK_HOOK, type: PICK_TYPE },
    { module: HOOK_MODULE, name: FUEL_LEFT_HOOK, type: FUEL_LEFT_TYPE },
  ];
  const api = [...API]
    .filter(([name]) => !isInlined(name))
    .map(([name, type]) => ({ module: HOST_IMPORTS, name, type }));
  const imports = [...hooks, ...api];
  const exportOf = (name: string, index: number) => ({ name, kind: KIND_FUNCTION, index });
  return writeModule({
    types: imports.map(({ type }) => type),
    imports: imports.map(({ module, name }, type) => ({ module, name, type })),
    functions: [],
    memories: [new ByteWriter().u8(1).u32(1).u32(1).written()],
    globals: [],
    exports: [
      { name: "memory", kind: KIND_MEMORY, index: 0 },
      ...hooks.map(({ name }, index) => exportOf(name, index)),
      ...api.map(({ name }, index) => exportOf(`${API_EXPORT}${name}`, hooks.length + index)),
    ],
    data: [],
  });
}
