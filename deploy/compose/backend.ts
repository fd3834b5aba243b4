// backend.ts NAME: a Pod that answers HTTP on port 8080 with its name, its container, and the
// address that it was asked from: {"backend", "container", "client"}.

import { createServer } from "node:http";
import { hostname } from "node:os";

const [backend = "backend"] = process.argv.slice(2);

const server = createServer((request, response) => {
  const client = request.socket.remoteAddress?.replace("::ffff:", "");
  response.setHeader("content-type", "application/json");
  response.setHeader("connection", "close");
  response.end(`${JSON.stringify({ backend, container: hostname(), client })}\n`);
});
server.listen(8080);

// Endpoints that go away answer what they have taken; Kubernetes waits for them as well.
process.once("SIGTERM", () => server.close(() => process.exit()));
