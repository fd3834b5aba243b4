// Which capture listeners the Envoy of a run directory got, in a file next to its sockets: a later
// controller, of another version or with other options, must keep them.

import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type KeptListeners, keptListeners } from "../xds/kept-listeners.ts";
import type { Resource } from "../xds/protos.ts";

const FILE = "envoy.listeners.json";

export class GivenListeners {
  readonly #file: string;
  #wanted: readonly Resource[];
  #given: KeptListeners | undefined;

  /** `wanted`: what a fresh Envoy gets. */
  constructor(directory: string, wanted: readonly Resource[]) {
    this.#file = join(directory, FILE);
    this.#wanted = wanted;
  }

  /** Sets what a fresh Envoy gets from now on. */
  want(wanted: readonly Resource[]): void {
    this.#wanted = wanted;
    this.#given = undefined;
  }

  /** Names of listeners that would differ in a fresh Envoy. */
  get outdated(): readonly string[] {
    return this.#given?.outdated ?? [];
  }

  /**
   * Returns what the Envoy should have, the same array while that does not change. `isEmpty`: it
   * has none yet. Writes the file before Envoy gets them. Rejects when it cannot be written.
   */
  async listeners(isEmpty: boolean): Promise<readonly Resource[]> {
    if (!isEmpty && this.#given) return this.#given.listeners;
    const present = isEmpty ? [] : await this.#read();
    const given = keptListeners(present, this.#wanted);
    if (given.listeners.length > present.length) await this.#write(given.listeners);
    this.#given = given;
    return given.listeners;
  }

  /**
   * Returns none where there is no file. Such an Envoy got its listeners from a version that set
   * its drain time to a day, so they may change. Rejects for a file that cannot be read: without
   * it, Envoy's connections might end.
   */
  async #read(): Promise<Resource[]> {
    try {
      return listenersFrom(await readFile(this.#file, "utf8"));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return [];
      throw new Error(
        `cannot use ${this.#file}, the record of Envoy's listeners: ${message}; if that ` +
          "persists: portico envoy replace, which starts an Envoy that does not need it",
      );
    }
  }

  async #write(listeners: readonly Resource[]): Promise<void> {
    await writeFile(`${this.#file}.new`, JSON.stringify(listeners), { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
  }
}

function listenersFrom(text: string): Resource[] {
  const listeners: unknown = JSON.parse(text);
  if (Array.isArray(listeners)) return listeners;
  throw new Error("it contains no list");
}
