// A gRPC server on a Unix socket, with the same access as those of system/unix-socket.ts. This file
// listens, and hands connections to the server: the server's own listener would end the process at
// the second connection for which it has no descriptor (grpc-js 1.14).

import { createServer, type Server as Listener } from "node:net";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { listenOnUnixSocket } from "../system/unix-socket.ts";

/**
 * Listens as listenOnUnixSocket does. The server's shutdown ends the connections; the caller closes
 * the listener.
 */
export async function serveUnixSocket(server: Server, path: string): Promise<Listener> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket));
  // No other user may connect from the start: the mode is set a moment later.
  const before = process.umask(0o077);
  await listenOnUnixSocket(listener, path).finally(() => process.umask(before));
  return listener;
}
