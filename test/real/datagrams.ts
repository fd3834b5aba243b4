// Datagrams of a test, a program that runs inside a namespace and prints one line of JSON:
//
//    datagrams.ts echo PORT                  sends back what comes, until it is killed
//    datagrams.ts ask ADDRESS PORT SIZE …    one datagram of each size, from one port:
//                                            {"2000": "same" | "other" | "nothing", …}
//    datagrams.ts flows ADDRESS PORT COUNT   one datagram each from COUNT ports, all held open:
//                                            how many were answered
//    datagrams.ts inject ADDRESS PORT …      a datagram to each of these ports
//    datagrams.ts hear ADDRESS PORT          one datagram; "asked" with the first answer, and when
//                                            its input ends, all that came, in a second line
//    datagrams.ts take PORT                  has the port on all IPv4 addresses until it is killed

import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const [mode = "", ...rest] = process.argv.slice(2);
/** How long an answer may take. */
const PATIENCE_MS = 1_000;
/** Sent together, before their answers are waited for. */
const FLOWS_AT_ONCE = 100;
const BUFFER_BYTES = 1 << 20;

async function echo(port: number): Promise<void> {
  const socket = createSocket({ type: "udp6", recvBufferSize: BUFFER_BYTES });
  socket.on("message", (message, from) => socket.send(message, from.port, from.address));
  await bound(socket, port);
  print("listens");
}

async function ask(address: string, port: number, sizes: readonly number[]): Promise<void> {
  const socket = await connected(address, port);
  const outcomes: Record<string, string> = {};
  for (const size of sizes) {
    const sent = randomBytes(size);
    const answer = nextMessage(socket);
    socket.send(sent);
    const back = await answer;
    outcomes[size] = back === undefined ? "nothing" : sent.equals(back) ? "same" : "other";
  }
  socket.close();
  print(outcomes);
}

async function flows(address: string, port: number, count: number): Promise<void> {
  const sockets: Socket[] = [];
  let answered = 0;
  while (sockets.length < count) {
    const wanted = Math.min(FLOWS_AT_ONCE, count - sockets.length);
    const next = await Promise.all(Array.from({ length: wanted }, () => connected(address, port)));
    const answers = next.map(nextMessage);
    for (const socket of next) socket.send("?");
    answered += (await Promise.all(answers)).filter((answer) => answer !== undefined).length;
    sockets.push(...next);
  }
  for (const socket of sockets) socket.close();
  print(answered);
}

async function inject(address: string, ports: readonly number[]): Promise<void> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  for (const port of ports) {
    await new Promise<void>((resolve) => socket.send("forged", port, address, () => resolve()));
  }
  socket.close();
  print("sent");
}

async function hear(address: string, port: number): Promise<void> {
  const socket = await connected(address, port);
  const heard: string[] = [];
  socket.on("message", (message) => heard.push(message.toString()));
  const answer = nextMessage(socket);
  socket.send("?");
  print((await answer) === undefined ? "nothing" : "asked");
  await once(process.stdin.resume(), "end");
  print(heard);
  socket.close();
}

async function take(port: number): Promise<void> {
  await bound(createSocket("udp4"), port);
  print("taken");
}

function bound(socket: Socket, port: number): Promise<void> {
  return new Promise((resolve, reject) => socket.on("error", reject).bind(port, resolve));
}

function connected(address: string, port: number): Promise<Socket> {
  const type = isIPv6(address) ? "udp6" : "udp4";
  const socket = createSocket({ type, recvBufferSize: BUFFER_BYTES, sendBufferSize: BUFFER_BYTES });
  // What is refused shows as no answer.
  socket.on("error", () => {});
  return new Promise((resolve) => socket.connect(port, address, () => resolve(socket)));
}

function nextMessage(socket: Socket): Promise<Buffer | undefined> {
  const late = delay(PATIENCE_MS, undefined, { ref: false });
  const message = new Promise<Buffer>((resolve) => socket.once("message", resolve));
  return Promise.race([message, late]);
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const [first = "", ...numbers] = rest;
if (mode === "echo") await echo(Number(first));
else if (mode === "ask") await ask(first, Number(numbers[0]), numbers.slice(1).map(Number));
else if (mode === "flows") await flows(first, Number(numbers[0]), Number(numbers[1]));
else if (mode === "inject") await inject(first, numbers.map(Number));
else if (mode === "hear") await hear(first, Number(numbers[0]));
else if (mode === "take") await take(Number(first));
else throw new Error(`datagrams.ts: no mode "${mode}"`);
