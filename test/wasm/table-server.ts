// The table endpoint of a fake host as an HTTP server on a Unix socket, as Envoy offers it.

import { createServer, type Server } from "node:http";
import type { WasmHost } from "./host.ts";

/** Resolves once it listens; the server is the caller's to close. */
export async function serveTable(host: WasmHost, socketPath: string): Promise<Server> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { method = "", url = "" } = request;
    const { status, headers, body } = host.request(method, url, Buffer.concat(parts));
    // As Envoy's local replies have it.
    response.setHeader("content-length", body.length);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return server;
}
