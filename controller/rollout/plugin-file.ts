// --follow-plugin: a file, such as one of a mounted ConfigMap → the plugin in service. Loads a file
// that appears or changes; without one the shipped plugin serves; reports one that is refused, and
// the present plugin stays. It polls instead of watching, as config-file-watch.ts does: a
// ConfigMap's file is a link to a link.

import { readFile } from "node:fs/promises";
import type { Clock } from "../system/clock.ts";
import { buildOf } from "../xds/check-plugin.ts";
import type { StoredPlugin } from "./plugin-store.ts";

const LOOK_INTERVAL_MS = 2_000;
/** Tries a refused plugin again after this long: the refusal may have been temporary. */
const RETRY_MS = 60_000;

interface PluginFileOptions {
  path: string;
  /** Part of ActivePlugin. Both reject with the reason, and the present one stays. */
  plugin: {
    load(wasm: Uint8Array, source: string): Promise<unknown>;
    reset(): Promise<unknown>;
    status(): { build: string; source: string };
  };
  /** Without an Envoy nothing can be tried; the file waits. */
  isEnvoyConnected: () => boolean;
  clock: Clock;
  /** Called when a new plugin serves. */
  loaded: (note: string) => void;
  /** Called after each look with what keeps the file out of service; undefined: nothing. */
  refused: (problem: string | undefined) => void;
}

/** The content of the path: nothing, these bytes, or why it cannot be read. */
type Content = Buffer | "none" | { unreadable: string };

export class PluginFile {
  readonly #options: PluginFileOptions;
  #cancel = () => {};
  #stopped = false;
  #looking: Promise<void> = Promise.resolve();
  #refusal = { build: "", at: 0, problem: "" };
  /** Build of the file that was put into service last, so that it is not loaded repeatedly. */
  #done: string | undefined;

  constructor(options: PluginFileOptions) {
    this.#options = options;
  }

  /** Returns the plugin to start with; undefined when there is no readable file. */
  async first(): Promise<StoredPlugin | undefined> {
    const content = await this.#read();
    return Buffer.isBuffer(content) ? { wasm: content, source: this.#options.path } : undefined;
  }

  start(): void {
    this.#cancel = this.#options.clock.after(LOOK_INTERVAL_MS, () => {
      this.#looking = this.#look().finally(() => {
        if (!this.#stopped) this.start();
      });
      return this.#looking;
    });
  }

  /** Resolves when nothing more will be loaded. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const content = await this.#read();
    if (content === "none") await this.#none();
    else if (Buffer.isBuffer(content)) await this.#some(content);
    else this.#options.refused(`${this.#options.path} cannot be read: ${content.unreadable}`);
  }

  /** Keeps a plugin from another source, loaded by hand. */
  async #none(): Promise<void> {
    const { plugin, path, loaded, refused } = this.#options;
    refused(undefined);
    this.#done = undefined;
    if (plugin.status().source !== path) return;
    const gone = plugin.status().build;
    await plugin.reset().then(
      () =>
        loaded(`plugin ${plugin.status().build}, the shipped one, is in service: ${path} is gone`),
      (error: Error) =>
        refused(`${path} is gone, and ${gone} is still in service: ${error.message}`),
    );
  }

  async #some(wasm: Buffer): Promise<void> {
    const { plugin, path, clock, loaded, refused } = this.#options;
    const build = buildOf(wasm);
    if (build === this.#done) return;
    const present = plugin.status();
    if (present.build === build && present.source === path) return this.#serves(build);
    const isFresh = clock.now() - this.#refusal.at < RETRY_MS;
    if (build === this.#refusal.build && isFresh) return refused(this.#refusal.problem);
    if (!this.#options.isEnvoyConnected()) return;
    try {
      await plugin.load(wasm, path);
      loaded(`plugin ${build} from ${path} is in service; it replaced ${present.build}`);
      this.#serves(build);
    } catch (error) {
      const why = `${build} is rejected: ${(error as Error).message}`;
      const problem = `the plugin ${path}, build ${why}; ${present.build} stays in service`;
      this.#refusal = { build, at: clock.now(), problem };
      refused(problem);
    }
  }

  #serves(build: string): void {
    this.#done = build;
    this.#options.refused(undefined);
  }

  async #read(): Promise<Content> {
    try {
      return await readFile(this.#options.path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === "ENOENT" ? "none" : { unreadable: message };
    }
  }
}
