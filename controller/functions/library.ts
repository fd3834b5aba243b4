// The files of a function that come with Portico: the API's library for asc, its types for editors,
// the template of a new function, and the shipped functions.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_ROOT } from "../system/package-root.ts";

const ROOT = join(PACKAGE_ROOT, "functions");

/** Returns the API's library: text by file name. Throws where Portico came without it. */
export function apiLibrary(): Record<string, string> {
  return filesOf("api", (name) => name.endsWith(".ts") && !name.endsWith(".d.ts"));
}

/** Returns the API's types for editors. Throws where Portico came without them. */
export function apiTypes(): string {
  return filesOf("api", (name) => name === "portico.d.ts")["portico.d.ts"] ?? "";
}

/** Returns the files of a new function: text by name. Throws where Portico came without them. */
export function templateFiles(): Record<string, string> {
  return filesOf("template", () => true);
}

/** Returns the sources of the shipped functions by name, without ".ts". */
export function shippedFunctions(): Record<string, string> {
  const files = Object.entries(filesOf("shipped", (name) => name.endsWith(".ts")));
  return Object.fromEntries(files.map(([name, text]) => [name.replace(/\.ts$/, ""), text]));
}

function filesOf(folder: string, isWanted: (name: string) => boolean): Record<string, string> {
  const path = join(ROOT, folder);
  if (!existsSync(path)) {
    throw new Error(
      `${path} does not exist: functions are built with a checkout of Portico or with its whole ` +
        "package; the image of a node has only what a node needs",
    );
  }
  const names = readdirSync(path).filter(isWanted).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name), "utf8")]));
}
