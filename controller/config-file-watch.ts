// Tells when the content of the configuration file became another than it was read with. It looks
// instead of being told: a ConfigMap's file is a link to a link, and no single path sees it change.

import { readFile } from "node:fs/promises";
import type { Clock } from "./clock.ts";

const LOOK_INTERVAL_MS = 2_000;

export interface ConfigFileWatchOptions {
  path: string;
  /** As it was read. */
  text: string;
  clock: Clock;
  /** Called once, at most. */
  changed: () => void;
}

/**
 * Returns what ends it. A file that cannot be read for the moment has not changed: it is being
 * replaced, or its volume mounted anew.
 */
export function watchConfigFile(options: ConfigFileWatchOptions): () => void {
  const { path, text, clock, changed } = options;
  let stopped = false;
  let cancel = () => {};
  const look = async () => {
    const now = await readFile(path, "utf8").catch(() => text);
    if (stopped) return;
    if (now === text) cancel = clock.after(LOOK_INTERVAL_MS, look);
    else changed();
  };
  cancel = clock.after(LOOK_INTERVAL_MS, look);
  return () => {
    stopped = true;
    cancel();
  };
}
