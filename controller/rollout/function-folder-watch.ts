// A folder → a call when something in it may have changed: at once where the kernel reports it, and
// regularly, since it reports nothing about a folder that does not exist yet.

import { type FSWatcher, watch } from "node:fs";
import type { Clock } from "../system/clock.ts";

const LOOK_INTERVAL_MS = 2_000;
/** Several files change at once. */
const SETTLE_MS = 10;

interface FolderWatchParts {
  folder: string;
  clock: Clock;
  look: () => Promise<void>;
}

export class FunctionFolderWatch {
  readonly #parts: FolderWatchParts;
  #watcher: FSWatcher | undefined;
  #cancel = () => {};
  #isStopped = false;
  #looking: Promise<void> = Promise.resolve();

  constructor(parts: FolderWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#lookIn(0);
  }

  /** Resolves when the last look has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    this.#watcher?.close();
    await this.#looking;
  }

  #lookIn(milliseconds: number): void {
    this.#cancel();
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(milliseconds, () => {
      this.#watch();
      this.#looking = this.#parts.look().finally(() => this.#lookIn(LOOK_INTERVAL_MS));
      return this.#looking;
    });
  }

  #watch(): void {
    if (this.#watcher) return;
    try {
      this.#watcher = watch(this.#parts.folder, () => this.#lookIn(SETTLE_MS));
      this.#watcher.on("error", () => this.#forget());
    } catch {
      // No such folder yet: the next look tries again.
    }
  }

  #forget(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
