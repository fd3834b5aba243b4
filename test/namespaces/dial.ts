// The dialling agent, a program that runs inside a namespace: questions on standard input (see
// messages.ts), answers on standard output. Ends when its input ends.

import { randomFillSync } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { Answer, DialResult, Numbered, Outcome, Request, Tally, Target } from "./messages.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: dial\r\nConnection: close\r\n\r\n";
const OUTCOMES: Record<string, Outcome> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "timeout",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
};

type LoadRequest = Request & { op: "load" };

const held = new Map<number, Socket>();
const loads = new Map<number, { stopped: boolean; ended: Promise<Tally> }>();

function dial(target: Target): Promise<DialResult> {
  return target.protocol === "TCP" ? dialTCP(target) : dialUDP(target);
}

function dialTCP(target: Target): Promise<DialResult> {
  const begin = performance.now();
  return new Promise((resolve) => {
    let text = "";
    const end = (outcome: Outcome, body = "") => {
      clearTimeout(timer);
      socket.destroy();
      resolve(resultFrom(outcome, body, begin));
    };
    const socket = openSocket(target);
    const timer = setTimeout(() => end("timeout"), target.timeoutMs);
    socket.on("connect", () => socket.write(REQUEST));
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", (error) => end(outcomeOf(error)));
    socket.on("end", () => {
      const body = text.split("\r\n\r\n")[1];
      end(body === undefined ? "eof" : "answered", body);
    });
  });
}

function dialUDP(target: Target): Promise<DialResult> {
  const begin = performance.now();
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(target.address) ? "udp6" : "udp4");
    const end = (outcome: Outcome, body = "") => {
      clearTimeout(timer);
      socket.close();
      resolve(resultFrom(outcome, body, begin));
    };
    const timer = setTimeout(() => end("timeout"), target.timeoutMs);
    socket.on("error", (error) => end(outcomeOf(error)));
    socket.on("message", (message) => end("answered", message.toString()));
    // Connected, because only then the kernel reports that a port is unreachable.
    socket.bind(target.localPort, target.localAddress, () => {
      socket.connect(target.port, target.address, () => {
        socket.send(queryOf(target.bytes));
      });
    });
  });
}

/** Begins with an id of its own, as queries of DNS do. */
function queryOf(bytes: number): Buffer {
  const query = Buffer.alloc(bytes, "?");
  randomFillSync(query, 0, Math.min(bytes, 16));
  return query;
}

function openSocket(target: Target): Socket {
  return connect({
    host: target.address,
    port: target.port,
    allowHalfOpen: false,
    noDelay: true,
    ...(target.localPort === 0 ? {} : { localPort: target.localPort }),
    ...(target.localAddress === undefined ? {} : { localAddress: target.localAddress }),
  });
}

function resultFrom(outcome: Outcome, body: string, begin: number): DialResult {
  const { name = "", client = "", server = "" } = body === "" ? {} : JSON.parse(body);
  const milliseconds = Math.round((performance.now() - begin) * 10) / 10;
  return { outcome, name, client, server, milliseconds };
}

function outcomeOf(error: Error & { code?: string }): Outcome {
  const outcome = OUTCOMES[error.code ?? ""];
  if (outcome === undefined) throw error;
  return outcome;
}

function open(connection: number, target: Target): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = openSocket(target);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error("timeout"));
    }, target.timeoutMs);
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(new Error(outcomeOf(error)));
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error").on("error", () => {});
      held.set(connection, socket);
      resolve("connected");
    });
  });
}

function say(connection: number, text: string, timeoutMs: number): Promise<string> {
  const socket = held.get(connection);
  if (socket === undefined || !socket.writable) throw new Error("the connection is closed");
  const wanted = Buffer.byteLength(text);
  return new Promise((resolve, reject) => {
    let back = Buffer.alloc(0);
    const end = (settle: () => void) => {
      clearTimeout(timer);
      socket.off("data", onData).off("close", onClose);
      settle();
    };
    const onClose = () => end(() => reject(new Error("the connection was closed")));
    const onData = (chunk: Buffer) => {
      back = Buffer.concat([back, chunk]);
      if (back.length >= wanted) end(() => resolve(back.toString()));
    };
    const timer = setTimeout(() => {
      end(() => reject(new Error(`no echo within ${timeoutMs} ms`)));
    }, timeoutMs);
    socket.on("data", onData).on("close", onClose).write(text);
  });
}

function startLoad({ load, target, concurrency, pauseMs }: LoadRequest): string {
  const tally: Tally = { outcomes: {}, names: {}, slowestMs: 0 };
  const state = { stopped: false, ended: Promise.resolve(tally) };
  const lane = async () => {
    while (!state.stopped) {
      count(tally, await dial(target));
      if (pauseMs > 0) await delay(pauseMs);
    }
  };
  state.ended = Promise.all(Array.from({ length: concurrency }, lane)).then(() => tally);
  loads.set(load, state);
  return "started";
}

function count(tally: Tally, result: DialResult): void {
  tally.outcomes[result.outcome] = (tally.outcomes[result.outcome] ?? 0) + 1;
  if (result.name !== "") tally.names[result.name] = (tally.names[result.name] ?? 0) + 1;
  tally.slowestMs = Math.max(tally.slowestMs, result.milliseconds);
}

async function answer(id: number, request: Request): Promise<Answer> {
  switch (request.op) {
    case "dial": {
      const results: DialResult[] = [];
      for (let i = 0; i < request.tries; i++) results.push(await dial(request.target));
      return { id, results };
    }
    case "open":
      return { id, text: await open(request.connection, request.target) };
    case "say":
      return { id, text: await say(request.connection, request.text, request.timeoutMs) };
    case "close":
      held.get(request.connection)?.destroy();
      held.delete(request.connection);
      return { id, text: "closed" };
    case "load":
      return { id, text: startLoad(request) };
    case "stop": {
      const load = loads.get(request.load);
      if (load === undefined) throw new Error(`no load ${request.load}`);
      load.stopped = true;
      return { id, tally: await load.ended };
    }
  }
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, request } = JSON.parse(line) as Numbered;
  const result = await answer(id, request).catch((error: Error) => ({ id, error: error.message }));
  process.stdout.write(`${JSON.stringify(result)}\n`);
});
process.stdin.on("end", () => process.exit(0));
