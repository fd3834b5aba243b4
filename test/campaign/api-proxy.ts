// A proxy between the controller and the real API server that can do what networks, load balancers
// and tired API servers do. It ends TLS with the API server's own certificate, so that the client
// notices nothing of it.

import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/**
 * open: as if it were not there. gone: every connection is broken, and every new one. silent: what
 * is open stays open, and nothing comes any more. slow: each answer and each event comes a second
 * late. A number: that status for every request, and an end of every watch.
 */
export type ApiMode = "open" | "gone" | "silent" | "slow" | number;

const SLOW_MS = 1_000;

interface Exchange {
  watch: boolean;
  answer: ServerResponse;
  upstream?: IncomingMessage;
  /** Settles when what came so far has been passed on: nothing overtakes what is slow. */
  passedOn: Promise<void>;
}

export class ApiProxy {
  readonly #target: URL;
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  readonly #server;
  readonly #sockets = new Set<Socket>();
  readonly #exchanges = new Set<Exchange>();
  readonly #waiting = new Set<() => void>();
  #mode: ApiMode = "open";
  /** Watches whose next bytes are cut in the middle. */
  readonly #toCut = new Set<Exchange>();
  /** Requests that came to it. */
  requests = 0;

  private constructor(target: string, credentials: { key: string; cert: string }) {
    this.#target = new URL(target);
    this.#server = createServer(credentials, (asked, answer) => void this.#serve(asked, answer));
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket)).on("error", () => {});
      if (this.#mode === "gone") socket.destroy();
    });
    this.#server.on("tlsClientError", () => {});
  }

  /** In front of `target`, on 127.0.0.1. */
  static async before(
    target: string,
    credentials: { key: string; cert: string },
  ): Promise<ApiProxy> {
    const proxy = new ApiProxy(target, credentials);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  set(mode: ApiMode): void {
    this.#mode = mode;
    if (mode === "gone") for (const socket of this.#sockets) socket.destroy();
    if (typeof mode === "number") for (const each of this.#exchanges) endWatch(each, mode);
    if (mode === "silent") for (const { upstream } of this.#exchanges) upstream?.pause();
    if (mode !== "open") return;
    for (const { upstream } of this.#exchanges) upstream?.resume();
    for (const goOn of this.#waiting) goOn();
    this.#waiting.clear();
  }

  /** Cuts every open watch in the middle of the next line that comes; returns how many. */
  cutWatches(): number {
    const watches = [...this.#exchanges].filter(({ watch }) => watch);
    for (const watch of watches) this.#toCut.add(watch);
    return watches.length;
  }

  async #serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    this.requests += 1;
    asked.on("error", () => {});
    answer.on("error", () => {});
    await this.#pass();
    if (typeof this.#mode === "number") return refuse(answer, this.#mode);
    const { pathname, search } = new URL(asked.url ?? "/", this.#target);
    const exchange: Exchange = {
      watch: /[?&]watch=(true|1)/.test(search),
      answer,
      passedOn: Promise.resolve(),
    };
    this.#exchanges.add(exchange);
    const upstream = request(
      new URL(`${pathname}${search}`, this.#target),
      { method: asked.method, headers: asked.headers, agent: this.#agent },
      (response) => void this.#forward(exchange, response),
    );
    upstream.on("error", () => answer.destroy());
    answer.on("close", () => {
      upstream.destroy();
      this.#exchanges.delete(exchange);
      this.#toCut.delete(exchange);
    });
    asked.pipe(upstream);
  }

  async #forward(exchange: Exchange, response: IncomingMessage): Promise<void> {
    const { answer } = exchange;
    exchange.upstream = response;
    if (this.#mode === "silent") response.pause();
    answer.writeHead(response.statusCode ?? 502, response.headers);
    answer.flushHeaders();
    response.on("error", () => answer.destroy());
    const next = (work: () => Promise<void> | void) => {
      exchange.passedOn = exchange.passedOn.then(work);
    };
    response.on("end", () => next(() => void answer.end()));
    response.on("data", (bytes: Buffer) => next(() => this.#pour(exchange, bytes)));
  }

  async #pour(exchange: Exchange, bytes: Buffer): Promise<void> {
    const { answer, upstream } = exchange;
    if (this.#toCut.delete(exchange)) {
      answer.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => answer.destroy());
      return;
    }
    if (this.#mode === "slow") {
      upstream?.pause();
      await delay(SLOW_MS);
      if (!this.#isSilent()) upstream?.resume();
    }
    answer.write(bytes);
  }

  #isSilent(): boolean {
    return this.#mode === "silent";
  }

  /** Resolves when a request may go on. */
  async #pass(): Promise<void> {
    if (this.#mode === "slow") await delay(SLOW_MS);
    if (!this.#isSilent()) return;
    await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#agent.destroy();
    this.#server.close();
  }
}

function statusText(code: number): string {
  const reason = { 410: "Expired", 429: "TooManyRequests" }[code] ?? "InternalError";
  const message = "the campaign has the API server answer so";
  return JSON.stringify({
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    message,
    reason,
    code,
  });
}

function refuse(answer: ServerResponse, code: number): void {
  const retry = code === 429 ? { "retry-after": "1" } : {};
  answer.writeHead(code, { "content-type": "application/json", ...retry });
  answer.end(statusText(code));
}

/** As the API server does when it cannot go on with a watch: the last event is an ERROR. */
function endWatch({ watch, answer }: Exchange, code: number): void {
  if (!watch) return;
  answer.end(`{"type":"ERROR","object":${statusText(code)}}\n`);
}
