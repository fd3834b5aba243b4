// Where the package is: the same for the sources and for the bundle that `npm run build` makes of
// them, which lies in another folder.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

function nearestPackage(directory: string): string {
  if (existsSync(join(directory, "package.json"))) return directory;
  const parent = dirname(directory);
  if (parent === directory) throw new Error("no package.json above the command portico");
  return nearestPackage(parent);
}

export const PACKAGE_ROOT = nearestPackage(import.meta.dirname);
