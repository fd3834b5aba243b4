// `npm run test:plugin`: does a built plugin keep the rules of Envoy and of Portico?

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { endWhenOutputFails } from "../../controller/cli/output.ts";
import { buildOf } from "../../controller/xds/check-plugin.ts";
import { judge } from "./judge.ts";
import { isFit, linesOf, summaryOf } from "./report.ts";
import type { Verdict } from "./verdict.ts";

const SHIPPED = resolve(import.meta.dirname, "../../build/portico.wasm");
/** Where npm was called, which is not where it runs a script. */
const DIRECTORY = process.env.INIT_CWD ?? process.cwd();
const CANNOT_JUDGE = 2;

interface Flags {
  complete: boolean;
  timeLimit: number;
}

endWhenOutputFails();
await new Command("test:plugin")
  .description(
    "Takes a built plugin through its life in a strict proxy-wasm host, without Envoy: start, " +
      "table, connections, failures, counters, reload. Prints for each rule whether the plugin " +
      "keeps it; if not, what it did and what comes of that. Exits with 0 when no rule is " +
      "broken, with 1 when one is, with 2 when the plugin cannot be read.",
  )
  .argument("[plugin]", "a .wasm file, from any language; build/portico.wasm when absent")
  .option("--complete", "take what is lacking for broken, for a plugin that is to do all", false)
  .option("--time-limit <seconds>", "how long one rule may take", seconds, 60)
  .helpOption("-h, --help", "print this text")
  .action(run)
  .parseAsync();

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0.1 && value <= 3600)) throw new InvalidArgumentError("Give 0.1 to 3600.");
  return value;
}

async function run(plugin = SHIPPED, { complete, timeLimit }: Flags): Promise<void> {
  const wasm = read(resolve(DIRECTORY, plugin));
  if (wasm === undefined) return;
  console.log(`${plugin}: ${wasm.length} bytes, build ${buildOf(wasm)}`);
  const verdicts: Verdict[] = [];
  for await (const verdict of judge(wasm, timeLimit * 1000)) {
    for (const line of linesOf(verdicts.length, verdict)) console.log(line);
    verdicts.push(verdict);
  }
  console.log(`\n${summaryOf(verdicts, complete)}`);
  process.exitCode = isFit(verdicts, complete) ? 0 : 1;
}

function read(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    console.error(`test:plugin: ${(error as Error).message}`);
    process.exitCode = CANNOT_JUDGE;
    return undefined;
  }
}
