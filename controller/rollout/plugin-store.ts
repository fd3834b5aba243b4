// Which plugin to start with: the one that `portico plugin load` kept in the run directory, or the
// shipped one. A loaded plugin outlives the controller, so that a restart does not undo a reload.

import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { PORTICO_VERSION } from "../system/version.ts";

export interface StoredPlugin {
  wasm: Uint8Array;
  /** "shipped", or the file it was loaded from. */
  source: string;
}

export class PluginStore {
  /** Path of the module to start with unless another was loaded. */
  readonly shippedFile: string;
  readonly #loadedFile: string;
  readonly #noteFile: string;

  constructor(shippedFile: string, loadedFile: string) {
    this.shippedFile = shippedFile;
    this.#loadedFile = loadedFile;
    this.#noteFile = `${loadedFile}.json`;
  }

  /** Returns the shipped module; when it is missing, rejects with a message on how to make it. */
  async shipped(): Promise<StoredPlugin> {
    try {
      return { wasm: await readFile(this.shippedFile), source: "shipped" };
    } catch (error) {
      throw new Error(
        `no plugin at ${this.shippedFile} (${(error as Error).message}); build it with \`npm ` +
          "run build`, or choose another with --plugin",
      );
    }
  }

  /**
   * Returns the module that this version of Portico loaded last; undefined when there is none, or
   * when another version stored it: an upgrade comes with its own plugin.
   */
  async loaded(): Promise<StoredPlugin | undefined> {
    try {
      const note = JSON.parse(await readFile(this.#noteFile, "utf8")) as LoadedNote;
      if (note.porticoVersion !== PORTICO_VERSION) return undefined;
      return { wasm: await readFile(this.#loadedFile), source: note.source };
    } catch {
      return undefined;
    }
  }

  async keep(plugin: StoredPlugin): Promise<void> {
    const note: LoadedNote = { source: plugin.source, porticoVersion: PORTICO_VERSION };
    await replaceFile(this.#loadedFile, plugin.wasm);
    await replaceFile(this.#noteFile, JSON.stringify(note));
  }

  async forget(): Promise<void> {
    await rm(this.#noteFile, { force: true });
    await rm(this.#loadedFile, { force: true });
  }
}

interface LoadedNote {
  source: string;
  porticoVersion: string;
}

async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await writeFile(`${path}.new`, content, { mode: 0o600 });
    await rename(`${path}.new`, path);
  } catch (error) {
    // The system's error for a full disk names no file.
    throw new Error(`${path}.new: ${(error as Error).message}`);
  }
}
