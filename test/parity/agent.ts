// One namespace's part in the comparison, a program: `agent.ts NAME PORT…`. It is a backend on
// these ports, TCP and UDP: whoever sends something is told who answers and which address asked.
// And it dials what it is asked to on standard input (agent-messages.ts). Ends when its input ends.
//
// One process does both, because there are some twenty namespaces and each process costs 40 MB.

import { randomUUID } from "node:crypto";
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { get } from "node:http";
import { connect, createServer, isIPv6, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { Answer, DialResult, Numbered, Outcome, Request, Target } from "./agent-messages.ts";

/** Tries of one question that run at the same time; the first round decides whether to go on. */
const FIRST_TRIES = 10;
const TRIES_AT_ONCE = 12;
const OUTCOMES: Record<string, Outcome> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "timeout",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
};

const [name = "agent", ...ports] = process.argv.slice(2);
const flows = new Map<string, Flow>();

/** Something that was opened and can be asked, again and again. */
interface Flow {
  ask(timeoutMs: number): Promise<DialResult>;
  close(): void;
}

function told(port: number, remote: string | undefined): string {
  return `${name}:${port} ${(remote ?? "").replace(/^::ffff:/, "")}\n`;
}

async function serve(port: number): Promise<void> {
  const tcp = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", () => socket.write(told(port, socket.remoteAddress)));
  });
  await new Promise<void>((resolve, reject) => {
    tcp.on("error", reject).listen({ port, host: "::", backlog: 1024 }, resolve);
  });
  const udp = createSocket("udp6");
  udp.on("error", () => {});
  udp.on("message", (_, from) => udp.send(told(port, from.address), from.port, from.address));
  await new Promise<void>((resolve) => udp.bind(port, "::", resolve));
}

function resultFrom(line: string): DialResult {
  const [backend = "", source = ""] = line.trim().split(" ");
  return { outcome: "answered", backend, source };
}

function failed(outcome: Outcome): DialResult {
  return { outcome, backend: "", source: "" };
}

function outcomeOf(error: Error & { code?: string }): Outcome {
  const outcome = OUTCOMES[error.code ?? ""];
  if (outcome === undefined) throw error;
  return outcome;
}

/** One question at a time. What ends it: an answer, an error, the other side, or the time. */
abstract class Asking implements Flow {
  #settle: ((result: DialResult) => void) | undefined;
  #ended: Outcome | undefined;

  ask(timeoutMs: number): Promise<DialResult> {
    if (this.#ended !== undefined) return Promise.resolve(failed(this.#ended));
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.settle(failed("timeout")), timeoutMs);
      this.#settle = (result) => {
        clearTimeout(timer);
        this.#settle = undefined;
        resolve(result);
      };
      this.send();
    });
  }

  protected settle(result: DialResult): void {
    this.#settle?.(result);
  }

  /** Nothing will come any more. */
  protected end(outcome: Outcome): void {
    this.#ended ??= outcome;
    this.settle(failed(this.#ended));
  }

  protected abstract send(): void;
  abstract close(): void;
}

class Connection extends Asking {
  readonly #socket: Socket;

  constructor({ address, port, localAddress }: Target) {
    super();
    const local = localAddress === undefined ? {} : { localAddress };
    this.#socket = connect({ host: address, port, noDelay: true, ...local });
    this.#socket.setEncoding("utf8").on("data", (text: string) => this.settle(resultFrom(text)));
    this.#socket.on("error", (error) => this.end(outcomeOf(error)));
    this.#socket.on("end", () => this.end("eof"));
  }

  /** Written when connected. */
  protected send(): void {
    this.#socket.write("?\n");
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Connected, because only then the kernel reports that a port is unreachable. */
class Datagrams extends Asking {
  readonly #socket: DatagramSocket;
  readonly #connected: Promise<void>;

  constructor({ address, port, localAddress }: Target) {
    super();
    this.#socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    this.#socket.on("error", (error) => this.settle(failed(outcomeOf(error))));
    this.#socket.on("message", (message) => this.settle(resultFrom(message.toString())));
    this.#connected = new Promise((resolve) => {
      this.#socket.bind(0, localAddress, () => this.#socket.connect(port, address, resolve));
    });
  }

  /**
   * Begins with an id, as queries of DNS do: one client's are told apart by it.
   * A datagram that this host's own rules do not let out is an EPERM, and lost like any other.
   */
  protected async send(): Promise<void> {
    await this.#connected;
    this.#socket.send(`${randomUUID()}?\n`, (error: (Error & { code?: string }) | null) => {
      if (error && error.code !== "EPERM") this.settle(failed(outcomeOf(error)));
    });
  }

  close(): void {
    this.#connected.then(() => this.#socket.close());
  }
}

function open(target: Target): Flow {
  return target.protocol === "TCP" ? new Connection(target) : new Datagrams(target);
}

async function dialOnce(target: Target): Promise<DialResult> {
  const flow = open(target);
  const result = await flow.ask(target.timeoutMs);
  flow.close();
  return result;
}

async function dial(target: Target, tries: number): Promise<DialResult[]> {
  const results: DialResult[] = [];
  while (results.length < tries) {
    const atOnce = results.length === 0 ? FIRST_TRIES : TRIES_AT_ONCE;
    const count = Math.min(atOnce, tries - results.length);
    results.push(...(await Promise.all(Array.from({ length: count }, () => dialOnce(target)))));
    if (!results.some(({ outcome }) => outcome === "answered")) break;
  }
  return results;
}

async function sequence(targets: Target[], pauseMs: number): Promise<DialResult[]> {
  const results: DialResult[] = [];
  for (const target of targets) {
    if (results.length > 0 && pauseMs > 0) await delay(pauseMs);
    results.push(await dialOnce(target));
  }
  return results;
}

function http({ address: host, port, timeoutMs }: Target): Promise<string> {
  return new Promise((resolve) => {
    const asked = get({ host, port, timeout: timeoutMs, agent: false }, async (response) => {
      const body = (await response.toArray()).join("");
      const weight = response.headers["x-load-balancing-endpoint-weight"] ?? "none";
      resolve(`${response.statusCode} weight ${weight} ${body.replaceAll(/\s+/g, " ")}`);
    });
    asked.on("timeout", () => resolve("timeout"));
    asked.on("error", (error) => resolve(outcomeOf(error)));
  });
}

async function answer(id: number, request: Request): Promise<Answer> {
  switch (request.op) {
    case "dial":
      return { id, results: await dial(request.target, request.tries) };
    case "sequence":
      return { id, results: await sequence(request.targets, request.pauseMs) };
    case "flow": {
      const flow = flows.get(request.flow) ?? open(request.target);
      flows.set(request.flow, flow);
      return { id, results: [await flow.ask(request.target.timeoutMs)] };
    }
    case "close flows":
      for (const flow of flows.values()) flow.close();
      flows.clear();
      return { id, text: "closed" };
    case "http":
      return { id, text: await http(request.target) };
  }
}

await Promise.all(ports.map((port) => serve(Number(port))));
process.stdout.write("listening\n");
createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, request } = JSON.parse(line) as Numbered;
  const result = await answer(id, request).catch((error: Error) => ({ id, error: error.message }));
  process.stdout.write(`${JSON.stringify(result)}\n`);
});
process.stdin.on("end", () => process.exit(0));
