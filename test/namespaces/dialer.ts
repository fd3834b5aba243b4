// A running dial.ts → questions to it as promises. One agent answers many questions at once.

import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Answer, DialResult, Request, Tally, Target } from "./messages.ts";

export interface DialOptions extends Partial<Omit<Target, "address" | "port">> {
  /** One after the other; 1 by default. */
  tries?: number;
}

/** A connection to an echo server, held by the agent until it is closed. */
export class HeldConnection {
  private readonly dialer: Dialer;
  private readonly number: number;

  constructor(dialer: Dialer, number: number) {
    this.dialer = dialer;
    this.number = number;
  }

  /** Sends the text and returns it as it came back; throws when the connection is not alive. */
  async echo(text: string, timeoutMs = 2_000): Promise<string> {
    const request: Request = { op: "say", connection: this.number, text, timeoutMs };
    return textOf(await this.dialer.ask(request));
  }

  async close(): Promise<void> {
    await this.dialer.ask({ op: "close", connection: this.number });
  }
}

/** Connections made one after the other until it is stopped, on several lanes. */
export class Load {
  private readonly dialer: Dialer;
  private readonly number: number;

  constructor(dialer: Dialer, number: number) {
    this.dialer = dialer;
    this.number = number;
  }

  /** Ends the load once the tries under way have ended, and says how all of them went. */
  async stop(): Promise<Tally> {
    const answer = await this.dialer.ask({ op: "stop", load: this.number });
    if ("tally" in answer) return answer.tally;
    throw new Error(`dial agent: no tally in ${JSON.stringify(answer)}`);
  }
}

export class Dialer {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private lastId = 0;

  constructor(child: ChildProcess) {
    this.child = child;
    if (child.stdout === null) throw new Error("dial agent: has no standard output");
    createInterface({ input: child.stdout }).on("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      this.waiting.get(answer.id)?.(answer);
      this.waiting.delete(answer.id);
    });
    child.on("close", (code) => {
      const error = `dial agent: ended with ${code}`;
      for (const [id, settle] of this.waiting) settle({ id, error });
      this.waiting.clear();
    });
  }

  /** Dials an echo server (any HTTP server that answers with {name, client} will do). */
  async dial(address: string, port: number, options: DialOptions = {}): Promise<DialResult[]> {
    const target = targetFrom(address, port, options);
    const answer = await this.ask({ op: "dial", target, tries: options.tries ?? 1 });
    if ("results" in answer) return answer.results;
    throw new Error(`dial agent: no results in ${JSON.stringify(answer)}`);
  }

  /** Dials once. */
  async dialOnce(address: string, port: number, options: DialOptions = {}): Promise<DialResult> {
    const [result] = await this.dial(address, port, { ...options, tries: 1 });
    return result as DialResult;
  }

  /** Opens a TCP connection and keeps it; throws with the outcome when that fails. */
  async open(address: string, port: number, options: DialOptions = {}): Promise<HeldConnection> {
    const connection = ++this.lastId;
    textOf(await this.ask({ op: "open", connection, target: targetFrom(address, port, options) }));
    return new HeldConnection(this, connection);
  }

  /** Starts dialling over and over on `concurrency` lanes, each with a pause after every try. */
  async load(
    address: string,
    port: number,
    concurrency: number,
    { pauseMs = 0, ...options }: DialOptions & { pauseMs?: number } = {},
  ): Promise<Load> {
    const load = ++this.lastId;
    const target = targetFrom(address, port, options);
    textOf(await this.ask({ op: "load", load, concurrency, target, pauseMs }));
    return new Load(this, load);
  }

  ask(request: Request): Promise<Answer> {
    if (this.child.exitCode !== null) throw new Error("dial agent: is no longer running");
    const id = ++this.lastId;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.child.stdin?.write(`${JSON.stringify({ id, request })}\n`);
    });
  }
}

function targetFrom(address: string, port: number, options: DialOptions): Target {
  return {
    protocol: "TCP",
    timeoutMs: 2_000,
    localPort: 0,
    bytes: 32,
    ...options,
    address,
    port,
  };
}

function textOf(answer: Answer): string {
  if ("text" in answer) return answer.text;
  throw new Error("error" in answer ? answer.error : `no text in ${JSON.stringify(answer)}`);
}
