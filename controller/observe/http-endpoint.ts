// An HTTP server on a TCP address, for operators and load balancers: /healthz, /metrics and their
// like. Binding and answering; what is answered is handed in.

import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../clock.ts";
import { listen } from "../listen.ts";
import type { Log } from "./log.ts";

/** "0.0.0.0" and "::" both mean every address of both families, as they do for kube-proxy. */
export interface BindAddress {
  /** Canonical text. */
  address: string;
  /** 0: any free port. */
  port: number;
}

export interface Answer {
  status: number;
  /** Of the body; see TEXT and JSON_TYPE. */
  type: string;
  body: string;
  headers?: Readonly<Record<string, string>>;
}

/** One path: the query of a request → its answer. Any method will do, as with Go's handlers. */
export type Route = (query: URLSearchParams) => Answer | Promise<Answer>;

export const TEXT = "text/plain; charset=utf-8";
export const JSON_TYPE = "application/json";

/** Between two attempts to bind; as kube-proxy's serveHealthz and serveMetrics. */
const BIND_RETRY_MS = 5_000;
/** kube-proxy never ends an idle connection; a load balancer asks more often than this. */
const IDLE_CONNECTION_MS = 120_000;
const NO_IPV6 = ["EAFNOSUPPORT", "EADDRNOTAVAIL"];

export interface HttpEndpointOptions {
  /** For people: "health", "metrics". */
  name: string;
  bind: BindAddress;
  routes: Readonly<Record<string, Route>>;
  /** An address that cannot be bound is an error, and is not tried again. */
  hardFail: boolean;
  clock: Clock;
  log: Log;
}

export class HttpEndpoint {
  readonly #options: HttpEndpointOptions;
  #server: Server | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(options: HttpEndpointOptions) {
    this.#options = options;
  }

  /** The port it listens on; undefined while it does not. */
  get port(): number | undefined {
    return (this.#server?.address() as AddressInfo | undefined)?.port;
  }

  /**
   * Resolves when it listens, or when the first attempt failed: then it tries again and again.
   * Rejects instead when it is told to fail hard.
   */
  async start(): Promise<void> {
    const { name, bind, hardFail, log, clock } = this.#options;
    const where = `${bind.address} port ${bind.port}`;
    try {
      await this.#listen();
      if (this.#stopped) await this.stop();
    } catch (error) {
      const message = `The ${name} server cannot listen on ${where}: ${(error as Error).message}`;
      if (hardFail) throw new Error(message);
      log.warn({ retryInMs: BIND_RETRY_MS }, message);
      if (this.#stopped) return;
      this.#cancelRetry = clock.after(BIND_RETRY_MS, () => void this.start());
    }
  }

  /** Ends every connection too. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry?.();
    const server = this.#server;
    this.#server = undefined;
    if (server) closeAtOnce(server);
  }

  async #listen(): Promise<void> {
    const { address, port } = this.#options.bind;
    const isWildcard = address === "0.0.0.0" || address === "::";
    const answer = answerFrom(this.#options.routes);
    try {
      const host = isWildcard ? "::" : address;
      this.#server = await listening(createHttpServer(answer), { host, port });
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!isWildcard || !NO_IPV6.includes(code)) throw error;
      this.#server = await listening(createHttpServer(answer), { host: "0.0.0.0", port });
    }
  }
}

/** Not listening yet. */
export function createHttpServer(answer: RequestListener): Server {
  return createServer({ keepAliveTimeout: IDLE_CONNECTION_MS }, answer);
}

/** The address is free for another listener when this returns. */
export function closeAtOnce(server: Server): void {
  server.close();
  server.closeAllConnections();
}

export function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    "content-type": answer.type,
    "content-length": Buffer.byteLength(answer.body),
    "x-content-type-options": "nosniff",
    ...answer.headers,
  });
  response.end(answer.body);
}

async function listening(server: Server, on: { host: string; port: number }): Promise<Server> {
  await listen(server, on);
  return server;
}

function answerFrom(routes: HttpEndpointOptions["routes"]): RequestListener {
  return (request, response) => {
    const [path = "", query] = (request.url ?? "").split("?", 2);
    request.resume();
    answerTo(routes, path, new URLSearchParams(query)).then(
      (answer) => send(response, answer),
      (error: unknown) => {
        send(response, { status: 500, type: TEXT, body: `${(error as Error).message}\n` });
      },
    );
  };
}

async function answerTo(
  routes: HttpEndpointOptions["routes"],
  path: string,
  query: URLSearchParams,
): Promise<Answer> {
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return route ? route(query) : { status: 404, type: TEXT, body: "404 page not found\n" };
}
