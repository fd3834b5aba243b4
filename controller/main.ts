#!/usr/bin/env -S node --max-semi-space-size=4 --optimize-for-size
// The command `portico`: which commands there are, and how an error reaches the person who typed.
// With the flags above, and bundled, a controller with 10,000 Services takes half the memory.

import "./node-version.ts";
import { Command } from "commander";
import { bootstrapCommand } from "./cli/bootstrap.ts";
import { checkCommand } from "./cli/check.ts";
import { cleanupCommand } from "./cli/cleanup.ts";
import { doctorCommand } from "./cli/doctor.ts";
import { drainCommand } from "./cli/drain-command.ts";
import { envoyCommand } from "./cli/envoy.ts";
import { explainCommand } from "./cli/explain.ts";
import { explainDialCommand } from "./cli/explain-dial.ts";
import { endWhenOutputFails } from "./cli/output.ts";
import { pluginCommand } from "./cli/plugin.ts";
import { runCommand } from "./cli/run.ts";
import { servicesCommand } from "./cli/services.ts";
import { sysctlCommand } from "./cli/sysctl.ts";
import { tableCommand } from "./cli/table.ts";
import { versionCommand } from "./cli/version.ts";
import { WatchFailure } from "./watch/list-watch-failure.ts";

const program = new Command("portico")
  .description(
    "Serves Kubernetes Services on this node, as kube-proxy does, through Envoy and a " +
      "WebAssembly plugin.\n`portico run` is the daemon of a node; the other commands look at it " +
      "and steer it.",
  )
  .addCommand(runCommand())
  .addCommand(servicesCommand())
  .addCommand(explainCommand())
  .addCommand(explainDialCommand(), { hidden: true })
  .addCommand(doctorCommand())
  .addCommand(pluginCommand())
  .addCommand(envoyCommand())
  .addCommand(bootstrapCommand())
  .addCommand(sysctlCommand())
  .addCommand(tableCommand())
  .addCommand(checkCommand())
  .addCommand(drainCommand())
  .addCommand(cleanupCommand())
  .addCommand(versionCommand())
  .showHelpAfterError("(`portico help COMMAND` tells more)");

endWhenOutputFails();
try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`portico: ${textOf(error)}\n`);
  process.exitCode = 1;
}

/** With what somebody may do about it, where that is known. */
function textOf(error: unknown): string {
  if (error instanceof WatchFailure) return `${error.message}. ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}
