// A gRPC server bound to a Unix socket, which the same may use as those of ../unix-socket.ts.

import { chmod, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { isAnswering, SocketInUseError, socketModeIn } from "../unix-socket.ts";

/**
 * Binds, with the mode of socketModeIn. A socket file that nobody answers on is replaced; a living
 * owner gives SocketInUseError, and the file stays.
 */
export async function bindUnixSocket(server: Server, path: string): Promise<void> {
  if (await isAnswering(path)) {
    throw new SocketInUseError(
      `another process is listening on ${path}; stop it, or choose another --run-dir`,
    );
  }
  await unlink(path).catch(() => {});
  await bind(server, path);
  await chmod(path, await socketModeIn(dirname(path)));
}

/** The file is nobody else's from the start: chmod alone would come a moment late. */
function bind(server: Server, path: string): Promise<void> {
  const before = process.umask(0o077);
  return new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error) reject(new Error(`cannot listen on ${path}: ${error.message}`));
      else resolve();
    });
  }).finally(() => process.umask(before));
}
