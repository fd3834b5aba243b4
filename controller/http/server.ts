// An HTTP server with complete answers. To make it listen: on an address system/listen.ts, on a
// Unix socket system/unix-socket.ts, and with more attempts listener.ts.

import { createServer, type IncomingMessage, type Server } from "node:http";
import { type Answer, send } from "./answer.ts";

/** kube-proxy never ends an idle connection; load balancers ask more often than this. */
const IDLE_CONNECTION_MS = 120_000;

/**
 * Makes a server that does not listen yet. `answer` must not throw or reject. Absent
 * `idleConnectionMs`: a connection without a request ends after 2 minutes.
 */
export function createHttpServer(
  answer: (request: IncomingMessage) => Answer | Promise<Answer>,
  idleConnectionMs = IDLE_CONNECTION_MS,
): Server {
  return createServer({ keepAliveTimeout: idleConnectionMs }, async (request, response) => {
    const answered = await answer(request);
    // Discards what `answer` left of the body.
    request.resume();
    send(response, answered);
  });
}

/** Ends every connection too. The address is free for another listener when this returns. */
export function closeAtOnce(server: Server): void {
  server.close();
  server.closeAllConnections();
}
