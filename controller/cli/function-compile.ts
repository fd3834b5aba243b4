// A compile request on standard input → its result on standard output. A hidden command:
// controller/functions/compile.ts starts it, so that asc has a process of its own.

import { text } from "node:stream/consumers";
import { Command } from "commander";
import { type CompileRequest, compileHere } from "../functions/asc-process.ts";
import { COMPILE_COMMAND } from "../functions/compile.ts";

/** Returns the hidden command. */
export function functionCompileCommand(): Command {
  return new Command(COMPILE_COMMAND)
    .description("compile one function; used by `portico function`")
    .action(async () => {
      const request = JSON.parse(await text(process.stdin)) as CompileRequest;
      process.stdout.write(JSON.stringify(await compileHere(request)));
    });
}
