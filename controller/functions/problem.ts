// A compiled function → what is wrong with it, as text for a terminal.

import { checkFunction } from "../linker/check-function.ts";
import type { Compiled } from "./compile.ts";

/** Returns why it cannot be linked, with lines; undefined when it can. */
export function problemOf(file: string, { module, faults }: Compiled): string | undefined {
  if (!module) {
    const lines = faults.map(({ line, column, message, hint }) => {
      const place = line > 0 ? `${file}:${line}:${column}` : file;
      return `${place}: ${message}\n${hint === undefined ? "" : `    ${hint}\n`}`;
    });
    return lines.join("");
  }
  const checked = checkFunction(module);
  if (!("reason" in checked)) return undefined;
  return `${file}: ${checked.line === undefined ? "" : `${checked.line}: `}${checked.reason}\n`;
}
