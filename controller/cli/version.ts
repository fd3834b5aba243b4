// portico version

import { Command } from "commander";
import { PORTICO_VERSION } from "../system/version.ts";

/** Returns the command `portico version`. */
export function versionCommand(): Command {
  return new Command("version").description("print the version of this command").action(() => {
    process.stdout.write(`portico ${PORTICO_VERSION} (Node ${process.versions.node})\n`);
  });
}
