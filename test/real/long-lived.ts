// Connections that live long, a program for two namespaces:
//
//    long-lived.ts server PORT                  echoes what comes; a connection that begins with
//                                               "h" gets a dot now and then instead, for ever
//    long-lived.ts client ADDRESS PORT COUNT    opens COUNT connections of each kind (Kind); prints
//                                               "open", and for each line on standard input how
//                                               many of each kind live, as JSON
//
// "speak" has the idle ones prove it too, any other line does not.

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

/**
 * idle: silent until "speak". busy: says something soon after it was answered. halfClosed: the
 * client has ended its side, the server goes on sending.
 */
type Kind = "idle" | "busy" | "halfClosed";
export type Living = Record<Kind, number>;

const DOT_INTERVAL_MS = 50;
/** Of a busy one, so that the tests' machine has time for others. */
const PAUSE_MS = 5;
const PATIENCE_MS = 10_000;

function serve(port: number): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (first) => {
      if (first.toString("latin1")[0] === "h") sendDots(socket);
      else socket.pipe(socket);
      socket.write(first);
    });
  });
  server.listen({ port, host: "::" }, () => process.stdout.write("open\n"));
}

function sendDots(socket: Socket): void {
  const timer = setInterval(() => socket.write("."), DOT_INTERVAL_MS);
  socket.on("close", () => clearInterval(timer));
}

class LongLived {
  readonly kind: Kind;
  readonly #socket: Socket;

  constructor(kind: Kind, socket: Socket) {
    this.kind = kind;
    this.#socket = socket;
    socket.on("error", () => {});
    // The end of the stream is the end of what it is for.
    socket.on("end", () => socket.destroy());
    if (kind === "busy") socket.on("data", () => setTimeout(() => socket.write("b"), PAUSE_MS));
  }

  async lives(isToSpeak: boolean): Promise<boolean> {
    if (this.#socket.destroyed) return false;
    if (this.kind === "idle") {
      if (!isToSpeak) return true;
      this.#socket.write("still here");
    }
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const data = once(this.#socket, "data", { signal }).then(() => true);
    const closed = once(this.#socket, "close", { signal }).then(() => false);
    return Promise.race([data, closed]).catch(() => false);
  }
}

async function open(kind: Kind, host: string, port: number): Promise<LongLived> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  socket.write(kind === "halfClosed" ? "h" : "b");
  await once(socket, "data");
  const opened = new LongLived(kind, socket);
  if (kind === "halfClosed") socket.end();
  if (kind === "busy") socket.write("b");
  return opened;
}

async function hold(host: string, port: number, count: number): Promise<void> {
  const kinds: readonly Kind[] = ["idle", "busy", "halfClosed"];
  const all: LongLived[] = [];
  for (const kind of kinds) {
    for (let made = 0; made < count; made++) all.push(await open(kind, host, port));
  }
  process.stdout.write("open\n");
  for await (const line of createInterface({ input: process.stdin })) {
    const living: Living = { idle: 0, busy: 0, halfClosed: 0 };
    const states = all.map(
      async (each) => [each.kind, await each.lives(line === "speak")] as const,
    );
    for (const [kind, lives] of await Promise.all(states)) if (lives) living[kind] += 1;
    process.stdout.write(`${JSON.stringify(living)}\n`);
  }
  process.exit(0);
}

const [role, ...args] = process.argv.slice(2);
if (role === "server") serve(Number(args[0]));
if (role === "client") await hold(String(args[0]), Number(args[1]), Number(args[2]));
