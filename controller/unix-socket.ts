// Listening on Unix sockets: what a killed predecessor left behind does not stop us, a living
// owner does.

import { chmod, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";

/** Somebody else holds the socket; the process cannot start. */
export class SocketInUseError extends Error {
  readonly code = "socket-in-use";
  override readonly name = "SocketInUseError";
}

/**
 * Makes `server` listen on `path`, mode 0600. A file there that nobody answers on is removed
 * first; a living owner gives SocketInUseError, and the file stays.
 */
export async function listenOnUnixSocket(server: Server, path: string): Promise<void> {
  if (await isAnswering(path)) {
    throw new SocketInUseError(
      `another process is listening on ${path}; stop it, or choose another --run-dir`,
    );
  }
  await unlink(path).catch(ignoreMissing);
  await listen(server, path);
  await chmod(path, 0o600);
}

export function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

export function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
