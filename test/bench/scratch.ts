// Folders for one run, which are gone when this process ends, by itself or by a signal: etcd's data
// of a large cluster is hundreds of megabytes.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * From now on temporary folders of this process are made inside one that is removed. To be called
 * before namespaces are made: their handlers of signals leave no time for others.
 */
export function keepTemporary(): void {
  process.env.TMPDIR = removedAtEnd(join(tmpdir(), "portico-bench-"));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(1));
  }
}

/** Returns a folder with a short path, for sockets: a socket's path has 107 bytes at most. */
export function shortFolder(): string {
  return removedAtEnd("/run/portico-bench-");
}

const folders: string[] = [];

function removedAtEnd(prefix: string): string {
  const folder = mkdtempSync(prefix);
  if (folders.length === 0) process.on("exit", removeAll);
  folders.push(folder);
  return folder;
}

function removeAll(): void {
  for (const folder of folders) {
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // A process that is being killed has just written into it.
    }
  }
}
