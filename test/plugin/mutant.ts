// Plugins that are broken in one place: ours, with a piece of a source exchanged, compiled in this
// process. They show that the rules find what they are for.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import asc from "assemblyscript/asc";

const ROOT = join(import.meta.dirname, "../..");
const OUT = "mutant.wasm";
const ARGUMENTS = [
  "plugin/index.ts",
  ...["--runtime", "minimal", "--use", "abort=plugin/abi/abort/abort", "--noAssert"],
  ...["--outFile", OUT],
];

export interface Mutant {
  /** Below plugin/. */
  file: string;
  /** Stands there once. */
  before: string;
  after: string;
}

/** Throws where the source has changed, or does not compile. */
export async function compileMutant({ file, before, after }: Mutant): Promise<Uint8Array> {
  const path = join("plugin", file);
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(ARGUMENTS, {
    readFile(name) {
      // Without it nothing is optimized, which takes ten times as long as the rest.
      if (name === "asconfig.json") return null;
      let text: string;
      try {
        text = readFileSync(join(ROOT, name), "utf8");
      } catch {
        return null;
      }
      return name === path ? exchanged(path, text, before, after) : text;
    },
    writeFile(name, contents) {
      if (name === OUT) wasm = contents as Uint8Array;
    },
    listFiles: () => null,
  });
  if (error) throw new Error(`${path}: ${error.message}\n${stderr}`);
  if (!wasm) throw new Error(`${path}: nothing was compiled`);
  return wasm;
}

function exchanged(path: string, text: string, before: string, after: string): string {
  const count = text.split(before).length - 1;
  if (count === 1) return text.replace(before, () => after);
  throw new Error(`${path} has "${before}" ${count} times: change test/plugin/mutants.ts`);
}
