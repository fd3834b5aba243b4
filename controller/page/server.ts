// The live page's HTTP server, on a loopback address or a Unix socket: listens, refuses what
// request-guard.ts refuses, and answers the rest by the given routes.

import { createHash } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import { type PageAddress, pageURL } from "../config/page-address.ts";
import type { Answer } from "../http/answer.ts";
import { Listener, type ListenerLog } from "../http/listener.ts";
import { answerFromRoutes, type Routes } from "../http/routes.ts";
import { createHttpServer } from "../http/server.ts";
import type { Clock } from "../system/clock.ts";
import { listen } from "../system/listen.ts";
import { listenOnUnixSocket } from "../system/unix-socket.ts";
import { refusalOf } from "./request-guard.ts";

/** The page loads nothing from elsewhere, and no other page may embed it. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  // The browser keeps it and revalidates it each time: ETag says whether it is still valid.
  "cache-control": "no-cache",
};

/** A page has a few connections; more than this are an error. */
const MAX_CONNECTIONS = 64;

interface PageLog extends ListenerLog {
  info(fields: object, message: string): void;
}

interface PageServerOptions {
  where: PageAddress;
  routes: Routes;
  clock: Clock;
  log: PageLog;
}

export class PageServer {
  readonly #options: PageServerOptions;
  readonly #listener: Listener;

  constructor(options: PageServerOptions) {
    this.#options = options;
    const { where, clock, log } = options;
    this.#listener = new Listener({
      attempt: () => this.#listening(),
      failure: `the live page cannot listen on ${pageURL(where)}`,
      hardFail: false,
      clock,
      log,
    });
  }

  /** Where it cannot listen, it logs that and tries again; Services are served all the same. */
  async start(): Promise<void> {
    await this.#listener.start();
  }

  /** Ends every connection too. */
  stop(): void {
    this.#listener.stop();
  }

  async #listening(): Promise<Server> {
    const { where, log } = this.#options;
    const server = createHttpServer((request) => this.#answer(request));
    server.maxConnections = MAX_CONNECTIONS;
    await listenOn(server, where);
    log.info({ page: pageURL(where) }, "serving the live page");
    return server;
  }

  /** Never rejects. */
  async #answer(request: IncomingMessage): Promise<Answer> {
    const refused = refusalOf(request);
    const answer = refused ?? (await answerFromRoutes(this.#options.routes, request.url));
    const headers = { ...HEADERS, ...answer.headers };
    if (answer.status !== 200) return { ...answer, headers };
    const etag = `"${createHash("sha256").update(answer.body).digest("base64url").slice(0, 16)}"`;
    const isKnown = request.headers["if-none-match"] === etag;
    if (isKnown) return { status: 304, type: answer.type, body: "", headers: { ...headers, etag } };
    return { ...answer, headers: { ...headers, etag } };
  }
}

function listenOn(server: Server, where: PageAddress): Promise<void> {
  if ("socketPath" in where) return listenOnUnixSocket(server, where.socketPath);
  return listen(server, { host: where.address, port: where.port });
}
