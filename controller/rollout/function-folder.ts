// --functions: a folder, such as a mounted ConfigMap → the functions in it: NAME.wasm, as compiled,
// and NAME.wasm.map, which names lines of its source in messages. Other files do not count.

import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

const FUNCTION_FILE = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.wasm$/;
/** A larger file is not read; the linker refuses far smaller ones, with words. */
const MAX_FILE_BYTES = 1024 * 1024;

export interface FunctionFile {
  wasm: Uint8Array;
  sourceMap: string | undefined;
  /** 12 hex digits of the SHA-256 of the module: the function's version. */
  version: string;
}

/**
 * Returns them by name; none where there is no folder. Rejects when the folder or a module cannot
 * be read: it may be in the middle of a change.
 */
export async function readFunctions(folder: string): Promise<Map<string, FunctionFile>> {
  const functions = new Map<string, FunctionFile>();
  for (const file of await filesIn(folder)) {
    const [, name] = FUNCTION_FILE.exec(file) ?? [];
    if (name !== undefined) functions.set(name, await readOne(join(folder, file)));
  }
  return functions;
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function readOne(path: string): Promise<FunctionFile> {
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES) throw new Error(`${path} has ${size} bytes, over ${MAX_FILE_BYTES}`);
  const wasm = await readFile(path);
  const sourceMap = await readFile(`${path}.map`, "utf8").catch(() => undefined);
  const version = createHash("sha256").update(wasm).digest("hex").slice(0, 12);
  return { wasm, sourceMap, version };
}
