// Files of /proc/sys → what changed in them. The kernel notifies of no change there (inotify sees
// none), so they are read again and again: two reads a second of a file cost 0.01 % of a core.

import { readFileSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { isShortage } from "../shortage.ts";

const EVERY_MS = 500;

export interface SettingChange {
  path: string;
  /** Without white space around it; undefined: there is no such file. */
  value: string | undefined;
}

export class Settings {
  readonly #clock: Clock;
  readonly #onChange: (change: SettingChange) => void;
  readonly #values = new Map<string, string | undefined>();
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, onChange: (change: SettingChange) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** The file need not exist; what it has now is no change. */
  add(path: string): void {
    if (!this.#values.has(path)) this.#values.set(path, contentOf(path));
  }

  start(): void {
    this.#cancel = this.#clock.after(EVERY_MS, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #look(): void {
    for (const [path, before] of this.#values) {
      const value = contentOf(path, before);
      if (value === before) continue;
      this.#values.set(path, value);
      this.#onChange({ path, value });
    }
  }
}

/** `before` where it cannot be known. */
function contentOf(path: string, before?: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    return isShortage(error) ? before : undefined;
  }
}
