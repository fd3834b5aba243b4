// Proxies on loopback for tests: HTTP's CONNECT, in the clear or inside TLS, and SOCKS5. They note
// where they were asked to connect to.

import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";

export interface TestProxy {
  port: number;
  /** "address:port" of each connection, in order; "refused" for one that was not let through. */
  asked: string[];
  close(): void;
}

/** With `login` ("name:password"), only who gives it is let through. */
export async function httpProxy(
  login?: string,
  tls?: { cert: string; key: string },
): Promise<TestProxy> {
  const asked: string[] = [];
  const server = tls ? createHttps(tls) : createHttp();
  server.on("connect", (request, socket: Duplex) => {
    const expected = login && `Basic ${Buffer.from(login).toString("base64")}`;
    if (expected !== undefined && request.headers["proxy-authorization"] !== expected) {
      asked.push("refused");
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      return;
    }
    asked.push(request.url ?? "");
    const { hostname, port } = new URL(`tcp://${request.url}`);
    const onward = connect({ host: hostname, port: Number(port) }, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      join(socket, onward);
    });
    onward.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
  });
  return started(server, asked);
}

export async function socksProxy(login?: string): Promise<TestProxy> {
  const asked: string[] = [];
  const server = createServer((socket) => {
    talkSocks(socket, asked, login).catch(() => socket.destroy());
  });
  return started(server, asked);
}

async function talkSocks(socket: Socket, asked: string[], login?: string): Promise<void> {
  const [, count = 0] = await take(socket, 2);
  await take(socket, count);
  socket.write(Uint8Array.of(5, login === undefined ? 0 : 2));
  if (login !== undefined) {
    const [, nameLength = 0] = await take(socket, 2);
    const name = await take(socket, nameLength);
    const [length = 0] = await take(socket, 1);
    const isRight = `${name}:${await take(socket, length)}` === login;
    socket.write(Uint8Array.of(1, isRight ? 0 : 1));
    if (!isRight) {
      asked.push("refused");
      socket.end();
      return;
    }
  }
  const [, , , , length = 0] = await take(socket, 5);
  const host = (await take(socket, length)).toString();
  const port = (await take(socket, 2)).readUInt16BE();
  asked.push(`${host}:${port}`);
  const onward = connect({ host, port }, () => {
    socket.write(Uint8Array.of(5, 0, 0, 1, 127, 0, 0, 1, 0, 0));
    join(socket, onward);
  });
  onward.on("error", () => socket.end(Uint8Array.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0)));
}

async function take(socket: Socket, count: number): Promise<Buffer> {
  if (count === 0) return Buffer.alloc(0);
  for (;;) {
    const bytes: Buffer | null = socket.read(count);
    if (bytes?.length === count) return bytes;
    await once(socket, "readable");
    if (socket.readableEnded) throw new Error("ended");
  }
}

function join(one: Duplex, other: Duplex): void {
  one.pipe(other).pipe(one);
  for (const side of [one, other]) {
    side.on("error", () => {});
    side.on("close", () => {
      one.destroy();
      other.destroy();
    });
  }
}

async function started(server: Server, asked: string[]): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port, asked, close };
}
