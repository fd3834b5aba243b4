// Which capture listeners the Envoy of a run directory was given, in a file next to its sockets: a
// later controller, of another version or with other options, has to go on with them.

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

  /** From now on that is what a fresh Envoy gets. */
  want(wanted: readonly Resource[]): void {
    this.#wanted = wanted;
    this.#given = undefined;
  }

  /** Names of listeners that a fresh Envoy would get otherwise. */
  get outdated(): readonly string[] {
    return this.#given?.outdated ?? [];
  }

  /**
   * What the Envoy is to have, the same array each time as long as that does not change. `isEmpty`:
   * it has none yet. The file says so before Envoy has them. Rejects when it cannot be written.
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
   * None where there is no file. Such an Envoy got its listeners from a version that had it drain
   * them for a day, so they may change. Rejects when there is one that cannot be read: without
   * what it says, Envoy's connections might end.
   */
  async #read(): Promise<Resource[]> {
    try {
      return listenersFrom(await readFile(this.#file, "utf8"));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return [];
      throw new Error(
        `${this.#file}, the note of Envoy's listeners, cannot be used: ${message}; if that stays ` +
          "so, `portico envoy replace` starts an Envoy that needs none",
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
  throw new Error("it holds no list");
}
