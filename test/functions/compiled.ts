// Sources → functions' modules, by asc in this process: for tests, which start no hostile source.

import { join } from "node:path";
import { compileHere } from "../../controller/functions/asc-process.ts";
import { findCompiler } from "../../controller/functions/compiler.ts";
import { apiLibrary } from "../../controller/functions/library.ts";
import type { FunctionModule } from "../../controller/linker/check-function.ts";

const FOLDER = join(import.meta.dirname, "../..");

/** Compiles; throws asc's text where it does not. */
export async function compiled(source: string, name = "pick"): Promise<FunctionModule> {
  const compiler = findCompiler(FOLDER);
  const result = await compileHere({ compiler, name, source, library: apiLibrary() });
  if (result.wasm === undefined) throw new Error(result.errors);
  const wasm = new Uint8Array(Buffer.from(result.wasm, "base64"));
  return { name, wasm, sourceMap: result.sourceMap };
}

/** Compiles `pick` with this body. */
export function compiledBody(body: string, before = ""): Promise<FunctionModule> {
  const head = "export function pick(connection: Connection, backends: Backends): Backend | null {";
  return compiled(`${before}\n${head}\n${body}\n}\n`);
}
