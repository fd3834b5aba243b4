// portico envoy status|replace

import { resolve } from "node:path";
import { Command, Option } from "commander";
import { DEFAULT_RUN_DIR, durationMs, runPaths } from "../config.ts";
import { ENVOY_PATH, type EnvoyReplacement, type EnvoyStatus } from "../daemon/control-api.ts";
import { callController } from "./control-client.ts";

interface StatusOptions {
  runDir: string;
  output?: string;
}

interface ReplaceOptions extends StatusOptions {
  envoy?: string;
  drainTime: number;
  endDraining: boolean;
}

export function envoyCommand(): Command {
  const command = new Command("envoy").description("see and replace this node's Envoy");
  const runDir = () => new Option("--run-dir <dir>", "of the controller").default(DEFAULT_RUN_DIR);
  const output = () => new Option("-o, --output <format>", "instead of text").choices(["json"]);
  command
    .command("status")
    .description("which Envoy serves, in what it is out of date, and which one still drains")
    .addOption(runDir())
    .addOption(output())
    .action(status);
  command
    .command("replace")
    .description(
      "put a new Envoy into service without losing a connection.\n" +
        "It is started beside the present one and gets all that it has; then new connections go " +
        "to it, all at once. The present one goes on with its connections until they have ended, " +
        "or until the drain time is over, which ends those that are left. UDP flows move with " +
        "their next datagram. If the new one does not come up, nothing has changed.",
    )
    .option("--envoy <file>", "the binary (default: $ENVOY of the controller, or as it finds it)")
    .addOption(
      new Option("--drain-time <duration>", "how long the present Envoy may go on")
        .argParser(durationMs)
        .default(durationMs("1h"), "1h"),
    )
    .option("--end-draining", "end an Envoy first that still drains since the last time", false)
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
  process.stdout.write(isJson ? `${JSON.stringify(envoys, null, 2)}\n` : describe(envoys));
}

function describe({ supervised, active, draining, standby }: EnvoyStatus): string {
  const lines: string[] = [];
  if (active) {
    const { pid, version, uptimeSeconds, connections, udpFlows, directory } = active;
    const process = pid === null ? "not started by Portico" : `pid ${pid}`;
    lines.push(
      `serves:    Envoy ${version}, ${process}, for ${uptimeSeconds} s, in ${directory}`,
      `           ${connections} connections, ${udpFlows} UDP flows`,
      ...active.outdated.map((what) => `outdated:  ${what}`),
    );
    if (active.outdated.length > 0) lines.push("           `portico envoy replace` mends that");
  } else {
    lines.push(`serves:    no Envoy answers${supervised ? "; it is about to be started" : ""}`);
  }
  if (draining) {
    const { connections, udpFlows, until, directory } = draining;
    lines.push(
      `drains:    until ${until}, in ${directory}`,
      `           ${connections ?? "?"} connections, ${udpFlows ?? "?"} UDP flows`,
    );
  }
  if (standby) lines.push(`stands by: Envoy ${standby.version}, in ${standby.directory}`);
  return `${lines.join("\n")}\n`;
}
