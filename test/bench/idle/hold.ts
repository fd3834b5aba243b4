// Connections that do nothing, a program for a namespace: `hold.ts server PORT` accepts and is
// silent, `hold.ts client ADDRESS PORT COUNT` opens COUNT of them. Prints "ready".

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** At once; the backlog of the server is not what is measured. */
const LANES = 50;

const [role, ...args] = process.argv.slice(2);
if (role === "server") {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.write(".");
  });
  server.listen({ port: Number(args[0]), backlog: 4_096 }, () => process.stdout.write("ready\n"));
} else {
  const [host = "", port, count] = args;
  for (let opened = 0; opened < Number(count); opened += LANES) {
    const lanes = Array.from({ length: Math.min(LANES, Number(count) - opened) }, async () => {
      await once(connect({ host, port: Number(port) }), "data");
    });
    await Promise.all(lanes);
  }
  process.stdout.write("ready\n");
}
