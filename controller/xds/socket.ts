// A gRPC server that is reached through a Unix socket, which the same may use as those of
// ../unix-socket.ts. We listen, and hand it what connects: a listener of its own would end the
// process with the second connection that it has no descriptor for (grpc-js 1.14).

import { createServer, type Server as Listener } from "node:net";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { listenOnUnixSocket } from "../unix-socket.ts";

/**
 * Listens as listenOnUnixSocket does. The server's shutdown ends the connections; the listener is
 * the caller's to close.
 */
export async function serveUnixSocket(server: Server, path: string): Promise<Listener> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket));
  // The file is nobody else's from the start: the mode comes a moment later.
  const before = process.umask(0o077);
  await listenOnUnixSocket(listener, path).finally(() => process.umask(before));
  return listener;
}
