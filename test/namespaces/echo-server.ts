// A backend, a program that runs inside a Pod's namespace: `echo-server.ts NAME tcp:8080 udp:53 …`.
//
// TCP: answers HTTP GET with JSON {name, server, client} (keep-alive as asked); whatever does not
// begin with "GET " is streamed back as it comes, until the client ends. UDP: answers each datagram
// with JSON {name, server, client, bytes}, server being ":port". Listens on all addresses, or on
// the one that stands after "@": udp:53@192.0.2.1. Prints one line when it listens.

import { createSocket } from "node:dgram";
import { createServer as createHttpServer } from "node:http";
import { createServer, isIPv6, type Socket } from "node:net";

const [name = "backend", ...listeners] = process.argv.slice(2);

const http = createHttpServer(({ socket, url }, response) => {
  const client = endpoint(socket.remoteAddress ?? "", socket.remotePort ?? 0);
  const server = endpoint(socket.localAddress ?? "", socket.localPort ?? 0);
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ name, server, client, path: url }));
});

function endpoint(address: string, port: number): string {
  const plain = address.replace(/^::ffff:/, "");
  return isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`;
}

function onConnection(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.once("data", (first) => {
    socket.pause();
    socket.unshift(first);
    if (first.subarray(0, 4).toString("latin1") === "GET ") http.emit("connection", socket);
    else socket.pipe(socket);
    socket.resume();
  });
}

function listenTCP(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
    server.on("error", reject).listen({ port, host, backlog: 1024 }, resolve);
  });
}

function listenUDP(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    socket.on("message", (message, from) => {
      const client = endpoint(from.address, from.port);
      const answer = { name, server: `:${port}`, client, bytes: message.length };
      socket.send(JSON.stringify(answer), from.port, from.address);
    });
    socket.on("error", reject).bind(port, host, resolve);
  });
}

for (const listener of listeners) {
  const [, protocol, port, host = "::"] = /^(tcp|udp):(\d+)(?:@(.*))?$/.exec(listener) ?? [];
  await (protocol === "udp" ? listenUDP(Number(port), host) : listenTCP(Number(port), host));
}
process.stdout.write(`${name} listens on ${listeners.join(" ")}\n`);
