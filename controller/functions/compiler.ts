// Where asc (the AssemblyScript compiler) is. Portico does not ship it: authors of functions
// install it into the folder of their function; nodes never need it.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { PACKAGE_ROOT } from "../system/package-root.ts";

/** The version that functions are tested with; another one may give other bytes. */
export const COMPILER_VERSION = "0.28.20";

/** There is no asc; the message says how to install it. */
class NoCompilerError extends Error {
  override readonly name = "NoCompilerError";
}

/** Returns the path of asc's module: the folder's, or Portico's own. Throws NoCompilerError. */
export function findCompiler(folder: string): string {
  for (const from of [folder, PACKAGE_ROOT]) {
    try {
      const program = createRequire(join(from, "package.json")).resolve(
        "assemblyscript/bin/asc.js",
      );
      return join(dirname(program), "../dist/asc.js");
    } catch {
      // Not installed there.
    }
  }
  throw new NoCompilerError(
    `asc, the compiler of functions, is not installed in ${folder}. Install it there:\n` +
      `  npm install --save-dev --prefix ${folder} assemblyscript@${COMPILER_VERSION}`,
  );
}
