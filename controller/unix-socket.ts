// Listening on Unix sockets: what a killed predecessor left behind does not stop us, a living
// owner does. And who may use them.

import { chmod, stat, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname } from "node:path";
import { listen } from "./listen.ts";
import { isShortage } from "./shortage.ts";

/** Somebody else holds the socket; the process cannot start. */
export class SocketInUseError extends Error {
  readonly code = "socket-in-use";
  override readonly name = "SocketInUseError";
}

/**
 * Mode for a socket in this directory: for its owner, and for the group that may write into the
 * directory, which could put a socket of its own in its place anyway. So two containers that run
 * as different users share a directory of their common group, and a directory of mode 0700 keeps
 * everybody else out.
 */
export async function socketModeIn(directory: string): Promise<number> {
  const { mode } = await stat(directory);
  return 0o600 | (mode & 0o060);
}

/**
 * Makes `server` listen on `path`, with the mode of socketModeIn. A file there that nobody answers
 * on is removed first; a living owner gives SocketInUseError, and the file stays.
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

/** Rejects when it cannot be known. */
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
