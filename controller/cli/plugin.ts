// portico plugin load|reset|status

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { DEFAULT_RUN_DIR, runPaths } from "../config/run-options.ts";
import { PLUGIN_PATH } from "../control/control-api.ts";
import type { PluginStatus } from "../rollout/plugin-status.ts";
import { callController } from "./control-client.ts";

interface PluginOptions {
  runDir: string;
  output?: string;
}

/** Returns the command `portico plugin` with its subcommands, which need a controller that runs. */
export function pluginCommand(): Command {
  const command = new Command("plugin").description(
    "show and change the WebAssembly plugin that picks backends in this node's Envoy",
  );
  command
    .command("load")
    .argument("<file>", "a plugin compiled to WebAssembly, such as build/portico.wasm")
    .description(
      "put a new plugin into service without losing a connection.\n" +
        "New connections use it as soon as this command returns; existing ones continue. A " +
        "plugin that does not load or does not answer is rejected with the reason, and the " +
        "current one stays. The loaded plugin survives restarts of the controller, until " +
        "`portico plugin reset`.",
    )
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .action(load);
  command
    .command("reset")
    .description("go back to the plugin that came with this version of Portico")
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .action(reset);
  command
    .command("status")
    .description("show which plugin serves, since when, and the last rejection")
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .addOption(new Option("-o, --output <format>", "instead of text").choices(["json"]))
    .action(status);
  return command;
}

async function load(file: string, options: PluginOptions): Promise<void> {
  const path = resolve(file);
  const wasm = await readFile(path);
  const target = `${PLUGIN_PATH}?source=${encodeURIComponent(path)}`;
  const { controlSocket } = runPaths(options.runDir);
  const plugin = await callController<PluginStatus>(controlSocket, "PUT", target, wasm);
  process.stdout.write(`plugin ${plugin.build} serves new connections (${plugin.bytes} bytes)\n`);
}

async function reset(options: PluginOptions): Promise<void> {
  const { controlSocket } = runPaths(options.runDir);
  const plugin = await callController<PluginStatus>(controlSocket, "DELETE", PLUGIN_PATH);
  process.stdout.write(`plugin ${plugin.build} serves new connections (${plugin.source})\n`);
}

async function status(options: PluginOptions): Promise<void> {
  const { controlSocket } = runPaths(options.runDir);
  const plugin = await callController<PluginStatus>(controlSocket, "GET", PLUGIN_PATH);
  process.stdout.write(
    options.output === "json" ? `${JSON.stringify(plugin, null, 2)}\n` : describe(plugin),
  );
}

function describe(plugin: PluginStatus): string {
  const lines = plugin.build
    ? [
        `build:        ${plugin.build} (${plugin.bytes} bytes)`,
        `source:       ${plugin.source}`,
        `active since: ${plugin.activeSince}`,
      ]
    : ["no plugin is active: Envoy has not connected yet"];
  const refused = plugin.lastRejection;
  if (refused) {
    lines.push(
      `last refused: ${refused.build} at ${refused.at}`,
      `              ${refused.reason}`,
    );
  }
  return `${lines.join("\n")}\n`;
}
