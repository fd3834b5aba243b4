// Listens on Unix sockets: replaces what a killed predecessor left behind, but not the socket of a
// running owner. And sets who may use them.

import { chmod, stat, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname } from "node:path";
import { listen } from "./listen.ts";
import { isShortage } from "./shortage.ts";

/** Another process holds the socket; this one cannot start. */
export class SocketInUseError extends Error {
  readonly code = "socket-in-use";
  override readonly name = "SocketInUseError";
}

/**
 * Mode for a socket in this directory: for its owner, and for the group that may write into the
 * directory, which could put a socket of its own in its place anyway. So two containers that run as
 * different users share a directory of their common group, and a directory of mode 0700 keeps all
 * others out.
 */
export async function socketModeIn(directory: string): Promise<number> {
  const { mode } = await stat(directory);
  return 0o600 | (mode & 0o060);
}

/**
 * Makes `server` listen on `path`, with the mode of socketModeIn. Removes a file on which nothing
 * answers first; with a running owner, rejects with SocketInUseError and keeps the file.
 */
export async function listenOnUnixSocket(server: Server, path: string): Promise<void> {
  if (await isAnswering(path)) {
    throw new SocketInUseError(
      `another process is listening on ${path}; stop it, or choose another --run-dir`,
    );
  }
  await unlink(path).catch(ignoreMissing);
  await listen(server, { path });
  await chmod(path, await socketModeIn(dirname(path)));
}

/** Rejects when it cannot be determined. */
export function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error) => (isShortage(error) ? reject(error) : resolve(false)));
  });
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
