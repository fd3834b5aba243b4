// Folders for one run, which are gone when this process ends, by itself or by a signal: etcd's data
// of a large cluster is hundreds of megabytes.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Scratch {
  /** Short, for sockets: a socket's path has 107 bytes at most. */
  run: string;
}

/** From now on temporary folders of this process are made inside one that is removed. */
export function makeScratch(): Scratch {
  const run = mkdtempSync("/run/portico-bench-");
  const temporary = mkdtempSync(join(tmpdir(), "portico-bench-"));
  process.env.TMPDIR = temporary;
  process.on("exit", () => {
    for (const each of [run, temporary]) {
      try {
        rmSync(each, { recursive: true, force: true, maxRetries: 3 });
      } catch {
        // A process that is being killed has just written into it.
      }
    }
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(1));
  }
  return { run };
}
