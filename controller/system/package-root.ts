// Where the package is: the same for the sources and for the bundle of `npm run build`, which is in
// another folder. A bundle that was copied alone, as for kubectl's plugin, is in no package: its
// own folder counts as the package, without the package's files.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

function nearestPackage(directory: string): string | undefined {
  if (existsSync(join(directory, "package.json"))) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : nearestPackage(parent);
}

export const PACKAGE_ROOT = nearestPackage(import.meta.dirname) ?? import.meta.dirname;
