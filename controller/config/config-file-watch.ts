// Reports when the content of the configuration file differs from what was read. It polls instead
// of watching: a ConfigMap's file is a link to a link, and no single path sees it change.

import { readFile } from "node:fs/promises";
import type { Clock } from "../system/clock.ts";

const LOOK_INTERVAL_MS = 2_000;

interface ConfigFileWatchOptions {
  path: string;
  /** The text that was read. */
  text: string;
  clock: Clock;
  /** Called at most once. */
  changed: () => void;
}

/**
 * Returns a function that stops it. A file that cannot be read for the moment counts as unchanged:
 * it is being replaced, or its volume is being remounted.
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
