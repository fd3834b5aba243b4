// One end of TCP connections, a program for a namespace that says what becomes of them:
//
//    witness.ts server PORT    accepts connections; their first line is their name
//    witness.ts client         opens one for each line NAME ADDRESS PORT of its standard input
//
// It prints, a line each: "open NAME PORT" (a client: once the server knows it) with the client's
// port as it is at this end, "heard NAME TEXT", and "end NAME HOW" with HOW one of eof, reset,
// timeout. "say NAME TEXT" on standard input sends a line to
// the other end; "close NAME" ends the connection whole and "shut NAME" this side of it alone. It
// sends nothing by itself, and no keepalives.

import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

const WELCOME = "welcome";
const CAUSES: Record<string, string> = {
  ECONNRESET: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "timeout",
};

const sockets = new Map<string, Socket>();

function print(...words: readonly string[]): void {
  process.stdout.write(`${words.join(" ")}\n`);
}

/** `name`: as this end knows it; a server learns it with the first line. */
function follow(socket: Socket, name: string): void {
  let known = name;
  if (known !== "") sockets.set(known, socket);
  socket.on("error", (error: Error & { code?: string }) => {
    print("end", known, CAUSES[error.code ?? ""] ?? error.message);
  });
  socket.on("end", () => print("end", known, "eof"));
  createInterface({ input: socket, terminal: false })
    .on("error", () => {})
    .on("line", (line) => {
      if (known === "") {
        known = line;
        sockets.set(known, socket);
        print("open", known, String(socket.remotePort));
        socket.write(`${WELCOME}\n`);
      } else if (line === WELCOME) print("open", known, String(socket.localPort));
      else print("heard", known, line);
    });
}

function open(name: string, host: string, port: number): void {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  follow(socket, name);
  socket.write(`${name}\n`);
}

const [role, port] = process.argv.slice(2);
if (role === "server") {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (each) => follow(each, ""));
  server.listen({ port: Number(port), host: "::" }, () => print("listening"));
}
createInterface({ input: process.stdin }).on("line", (line) => {
  const [word = "", name = "", ...rest] = line.split(" ");
  if (word === "say") sockets.get(name)?.write(`${rest.join(" ")}\n`);
  else if (word === "close") sockets.get(name)?.destroy();
  else if (word === "shut") sockets.get(name)?.end();
  else open(word, name, Number(rest[0]));
});
