// Requests and answers of given sizes, a program that runs inside a namespace:
//
//    sized.ts serve PORT ADDRESS …    answers until it is killed, UDP at each address, TCP at all;
//                                     prints "listens"
//    sized.ts ask                     asks what its input says, a JSON list of Exchange, and prints
//                                     how often each was asked until it was answered, 0 for never
//
// A request begins with the size of the answer that it wants, four bytes; the first byte of an
// answer's content says that it came whole.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, isIPv6, type Socket as Stream } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

export interface Exchange {
  protocol: "udp" | "tcp";
  /** Where it is asked from. */
  from: string;
  to: string;
  port: number;
  /** Sizes in bytes of what UDP or TCP carries, 4 at least. */
  request: number;
  answer: number;
}

/** For an answer to a datagram, and as often as one is asked. */
const PATIENCE_MS = 400;
const ATTEMPTS = 5;
/** For a whole connection. */
const TCP_PATIENCE_MS = 15_000;
/** The process ends without waiting for the rest of somebody's patience. */
const UNHELD = { ref: false };
const AT_ONCE = 8;
const BUFFER_BYTES = 4 << 20;
const HEAD_BYTES = 4;

async function serve(port: number, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const socket = datagrams(address);
    socket.on("message", (message, from) => {
      socket.send(answerTo(message), from.port, from.address);
    });
    socket.bind(port, address);
    await once(socket, "listening");
  }
  const server = createServer({ allowHalfOpen: true }, (stream) => {
    stream.on("error", () => stream.destroy());
    const received: Buffer[] = [];
    stream.on("data", (data) => received.push(data));
    stream.on("end", () => stream.end(answerTo(Buffer.concat(received))));
  });
  server.listen(port, "::");
  await once(server, "listening");
  print("listens");
}

function answerTo(request: Buffer): Buffer {
  return Buffer.alloc(request.length < HEAD_BYTES ? 0 : request.readUInt32BE(), "a");
}

async function ask(exchanges: readonly Exchange[]): Promise<void> {
  const attempts: number[] = exchanges.map(() => 0);
  const left = exchanges.map((exchange, index) => ({ exchange, index }));
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const { exchange, index } = next;
      attempts[index] = await (exchange.protocol === "udp" ? byUDP(exchange) : byTCP(exchange));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  print(attempts);
}

async function byUDP({ from, to, port, request, answer }: Exchange): Promise<number> {
  const socket = datagrams(to);
  socket.bind(0, from);
  await once(socket, "listening");
  socket.connect(port, to);
  await once(socket, "connect");
  const answered = new Promise<true>((resolve) => {
    socket.on("message", (message) => message.length === answer && resolve(true));
  });
  let attempt = 0;
  let isAnswered = false;
  while (!isAnswered && attempt < ATTEMPTS) {
    attempt += 1;
    socket.send(requestOf(request, answer));
    isAnswered = await Promise.race([answered, delay(PATIENCE_MS, false, UNHELD)]);
  }
  socket.close();
  return isAnswered ? attempt : 0;
}

async function byTCP({ from, to, port, request, answer }: Exchange): Promise<number> {
  const stream = connect({ host: to, port, localAddress: from, allowHalfOpen: true });
  stream.end(requestOf(request, answer));
  const isWhole = await Promise.race([
    received(stream, answer),
    delay(TCP_PATIENCE_MS, false, UNHELD),
  ]);
  stream.destroy();
  return isWhole ? 1 : 0;
}

async function received(stream: Stream, wanted: number): Promise<boolean> {
  let bytes = 0;
  stream.on("data", (data) => {
    bytes += data.length;
  });
  return once(stream, "end").then(
    () => bytes === wanted,
    () => false,
  );
}

function requestOf(size: number, answer: number): Buffer {
  const request = Buffer.alloc(size, "r");
  request.writeUInt32BE(answer);
  return request;
}

function datagrams(address: string): Socket {
  const sizes = { recvBufferSize: BUFFER_BYTES, sendBufferSize: BUFFER_BYTES };
  const socket = createSocket({ type: isIPv6(address) ? "udp6" : "udp4", ...sizes });
  // A datagram that is too long for the path, as far as the kernel knows, counts as lost.
  socket.on("error", () => {});
  return socket;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const [mode, port = "", ...addresses] = process.argv.slice(2);
if (mode === "serve") await serve(Number(port), addresses);
else if (mode === "ask") await ask(JSON.parse(await text(process.stdin)) as Exchange[]);
