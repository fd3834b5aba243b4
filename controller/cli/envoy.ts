// portico envoy status|replace

import { resolve } from "node:path";
import { Command, Option } from "commander";
import { durationMs } from "../config/flag-values.ts";
import { DEFAULT_RUN_DIR, runPaths } from "../config/run-options.ts";
import { ENVOY_PATH } from "../control/control-api.ts";
import type { EnvoyReplacement, EnvoyStatus } from "../envoys/envoy-status.ts";
import { callController } from "./control-client.ts";
import { envoyText } from "./envoy-text.ts";

interface StatusOptions {
  runDir: string;
  output?: string;
}

interface ReplaceOptions extends StatusOptions {
  envoy?: string;
  drainTime: number;
  endDraining: boolean;
}

/** Returns the command `portico envoy` with its subcommands, which need a controller that runs. */
export function envoyCommand(): Command {
  const command = new Command("envoy").description("show and replace this node's Envoy");
  const runDir = () =>
    new Option("--run-dir <dir>", "run directory of the controller").default(DEFAULT_RUN_DIR);
  const output = () => new Option("-o, --output <format>", "instead of text").choices(["json"]);
  command
    .command("status")
    .description("show which Envoy serves, how it is out of date, and which one is still draining")
    .addOption(runDir())
    .addOption(output())
    .action(status);
  command
    .command("replace")
    .description(
      "replace this node's Envoy with a new one, without losing a connection.\n" +
        "Starts it next to the current one and gives it the same configuration; then all new " +
        "connections go to it. The current one keeps its connections until they end or the " +
        "drain time is over, which closes the rest. UDP flows move with their next datagram. " +
        "If the new one does not come up, nothing changes.",
    )
    .option(
      "--envoy <file>",
      "the Envoy binary (default: the controller's $ENVOY, or the one that it finds)",
    )
    .addOption(
      new Option("--drain-time <duration>", "how long the current Envoy may keep its connections")
        .argParser(durationMs)
        .default(durationMs("1h"), "1h"),
    )
    .option(
      "--end-draining",
      "first stop an Envoy that is still draining from the last replacement",
      false,
    )
    .addOption(runDir())
    .addOption(output())
    .action(replace);
  return command;
}

async function status({ runDir, output }: StatusOptions): Promise<void> {
  const { controlSocket } = runPaths(runDir);
  print(await callController<EnvoyStatus>(controlSocket, "GET", ENVOY_PATH), output);
}

async function replace(options: ReplaceOptions): Promise<void> {
  const { runDir, output, envoy, drainTime: drainMs, endDraining } = options;
  const binary = envoy === undefined ? {} : { binary: resolve(envoy) };
  const wanted: EnvoyReplacement = { ...binary, drainMs, endDraining };
  const body = Buffer.from(JSON.stringify(wanted));
  const { controlSocket } = runPaths(runDir);
  print(await callController<EnvoyStatus>(controlSocket, "PUT", ENVOY_PATH, body), output);
}

function print(envoys: EnvoyStatus, output: string | undefined): void {
  const isJson = output === "json";
  process.stdout.write(isJson ? `${JSON.stringify(envoys, null, 2)}\n` : envoyText(envoys));
}
