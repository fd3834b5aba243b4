#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=8
// The command `portico`: which commands there are, and how an error reaches the operator. What is
// set above bounds memory (controller/system/memory.ts does the rest): the heap's young generation,
// and the arenas of glibc, one of which each of Node's threads would fill with garbage of its own.

import "../system/node-version.ts";
import { Command } from "commander";
import { ApiFailure } from "../kubeconfig/api-failure.ts";
import { bootstrapCommand } from "./bootstrap.ts";
import { checkCommand } from "./check.ts";
import { cleanupCommand } from "./cleanup.ts";
import { doctorCommand } from "./doctor.ts";
import { drainCommand } from "./drain-command.ts";
import { envoyCommand } from "./envoy.ts";
import { explainCommand } from "./explain.ts";
import { explainDialCommand } from "./explain-dial.ts";
import { functionCommand } from "./function.ts";
import { functionCompileCommand } from "./function-compile.ts";
import { endWhenOutputFails } from "./output.ts";
import { pluginCommand } from "./plugin.ts";
import { runCommand } from "./run.ts";
import { servicesCommand } from "./services.ts";
import { sysctlCommand } from "./sysctl.ts";
import { tableCommand } from "./table.ts";
import { versionCommand } from "./version.ts";

const program = new Command("portico")
  .description(
    "Serve Kubernetes Services on this node, as kube-proxy does, with Envoy and a WebAssembly " +
      "plugin.\n" +
      "`portico run` is the node's daemon; the other commands inspect it and control it.",
  )
  .addCommand(runCommand())
  .addCommand(servicesCommand())
  .addCommand(explainCommand())
  .addCommand(explainDialCommand(), { hidden: true })
  .addCommand(doctorCommand())
  .addCommand(pluginCommand())
  .addCommand(functionCommand())
  .addCommand(functionCompileCommand(), { hidden: true })
  .addCommand(envoyCommand())
  .addCommand(bootstrapCommand())
  .addCommand(sysctlCommand())
  .addCommand(tableCommand())
  .addCommand(checkCommand())
  .addCommand(drainCommand())
  .addCommand(cleanupCommand())
  .addCommand(versionCommand())
  .showHelpAfterError("(see `portico help COMMAND`)");

// For this process, not for Envoy and other programs that it starts.
delete process.env.MALLOC_ARENA_MAX;
endWhenOutputFails();
try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`portico: ${textOf(error)}\n`);
  process.exitCode = 1;
}

/** Returns the message, and what the operator can do about it where that is known. */
function textOf(error: unknown): string {
  if (error instanceof ApiFailure) return `${error.message}. ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}
