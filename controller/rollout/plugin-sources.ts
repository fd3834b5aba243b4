// --watch-plugin: a saved plugin source → compiled → loaded. For development; errors of the
// compiler and refused modules go to the log, and the present plugin keeps serving.

import { execFile } from "node:child_process";
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { shippedPlugin } from "../config/run-options.ts";
import type { Log } from "../observe/log.ts";
import { PACKAGE_ROOT } from "../system/package-root.ts";
import type { ActivePlugin } from "./active-plugin.ts";

const SOURCES = join(PACKAGE_ROOT, "plugin");
/** Editors write a file in several steps. */
const SETTLE_MS = 50;

export class PluginSources {
  readonly #plugin: ActivePlugin;
  readonly #log: Log;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #compiling: Promise<void> = Promise.resolve();

  constructor(plugin: ActivePlugin, log: Log) {
    this.#plugin = plugin;
    this.#log = log;
  }

  start(): void {
    this.#watcher = watch(SOURCES, { recursive: true }, (_event, name) => {
      if (!name?.endsWith(".ts")) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#hurry(), SETTLE_MS);
    });
    this.#log.info({ folder: SOURCES }, "watching the plugin's sources");
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  /** One compilation at a time. */
  #hurry(): void {
    this.#compiling = this.#compiling.then(() => this.#compileAndLoad());
  }

  async #compileAndLoad(): Promise<void> {
    try {
      await compile();
      await this.#plugin.load(await readFile(shippedPlugin()), SOURCES);
    } catch (error) {
      const { message, stderr } = error as Error & { stderr?: string };
      this.#log.error({ error: stderr ?? message }, "the saved plugin is not in service");
    }
  }
}

async function compile(): Promise<void> {
  const compiler = createRequire(import.meta.url).resolve("assemblyscript/bin/asc.js");
  const args = [compiler, "--config", join(PACKAGE_ROOT, "asconfig.json"), "--target", "release"];
  await promisify(execFile)(process.execPath, args, { cwd: PACKAGE_ROOT });
}
