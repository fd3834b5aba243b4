// The live page's HTTP server, on a loopback address or a Unix socket: listens, refuses what
// request-guard.ts refuses, and answers the rest by routes that are handed in.

import { createHash } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import type { Clock } from "../clock.ts";
import { listen } from "../listen.ts";
import {
  type Answer,
  closeAtOnce,
  createHttpServer,
  type Route,
  send,
  TEXT,
} from "../observe/http-endpoint.ts";
import { listenOnUnixSocket } from "../unix-socket.ts";
import { type PageAddress, pageURL } from "./page-address.ts";
import { refusalOf } from "./request-guard.ts";

/** Nothing of it comes from elsewhere, nothing of it is shown elsewhere. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  // Kept, and asked for again each time: ETag says whether it is still good.
  "cache-control": "no-cache",
};

/** A page has a few connections; more than this are somebody's mistake. */
const MAX_CONNECTIONS = 64;
const BIND_RETRY_MS = 5_000;

interface PageLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface PageServerOptions {
  where: PageAddress;
  routes: Readonly<Record<string, Route>>;
  clock: Clock;
  log: PageLog;
}

export class PageServer {
  readonly #options: PageServerOptions;
  #server: Server | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(options: PageServerOptions) {
    this.#options = options;
  }

  /** Where it cannot listen, Services are served all the same: that is logged, and tried again. */
  async start(): Promise<void> {
    const { where, clock, log } = this.#options;
    const server = createHttpServer((request, response) => {
      void this.#answer(request).then((answer) => send(response, answer));
    });
    server.maxConnections = MAX_CONNECTIONS;
    try {
      await listenOn(server, where);
      log.info({ page: pageURL(where) }, "the live page is served");
      this.#server = server;
      if (this.#stopped) this.stop();
    } catch (error) {
      const reason = (error as Error).message;
      log.warn(
        { retryInMs: BIND_RETRY_MS },
        `the live page cannot listen on ${pageURL(where)}: ${reason}`,
      );
      if (this.#stopped) return;
      this.#cancelRetry = clock.after(BIND_RETRY_MS, () => void this.start());
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    if (this.#server) closeAtOnce(this.#server);
  }

  /** Never rejects. */
  async #answer(request: IncomingMessage): Promise<Answer> {
    request.resume();
    const refused = refusalOf(request);
    const answer = refused ?? (await this.#routed(request.url ?? "/"));
    const headers = { ...HEADERS, ...answer.headers };
    if (answer.status !== 200) return { ...answer, headers };
    const etag = `"${createHash("sha256").update(answer.body).digest("base64url").slice(0, 16)}"`;
    const isKnown = request.headers["if-none-match"] === etag;
    if (isKnown) return { status: 304, type: answer.type, body: "", headers: { ...headers, etag } };
    return { ...answer, headers: { ...headers, etag } };
  }

  async #routed(url: string): Promise<Answer> {
    const [path = "", query] = url.split("?", 2);
    const { routes } = this.#options;
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (!route) return { status: 404, type: TEXT, body: "404 page not found\n" };
    try {
      return await route(new URLSearchParams(query));
    } catch (error) {
      return { status: 500, type: TEXT, body: `${(error as Error).message}\n` };
    }
  }
}

function listenOn(server: Server, where: PageAddress): Promise<void> {
  if ("socketPath" in where) return listenOnUnixSocket(server, where.socketPath);
  return listen(server, { host: where.address, port: where.port });
}
