// Files of /proc/sys → what changed in them. The kernel reports no changes there (inotify sees
// none), so this reads them periodically: two reads of a file per second cost 0.01 % of a core.

import { readFileSync } from "node:fs";
import type { Clock } from "../system/clock.ts";
import { isShortage } from "../system/shortage.ts";

const EVERY_MS = 500;

export interface SettingChange {
  path: string;
  /** Trimmed; undefined: there is no such file. */
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

  /** Adds a file, which need not exist; its present content is the baseline. */
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

/** Returns `before` where the content cannot be read. */
function contentOf(path: string, before?: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    return isShortage(error) ? before : undefined;
  }
}
