// Routes → an HTTP server on a TCP address, for operators and load balancers: /healthz, /metrics
// and similar paths. The caller gives the routes.

import type { Server } from "node:http";
import type { Clock } from "../system/clock.ts";
import { listen } from "../system/listen.ts";
import { Listener, type ListenerLog } from "./listener.ts";
import { answerFromRoutes, type Routes } from "./routes.ts";
import { createHttpServer } from "./server.ts";

/** "0.0.0.0" and "::" both mean every address of both families, as in kube-proxy. */
export interface BindAddress {
  /** Canonical text. */
  address: string;
  /** 0: any free port. */
  port: number;
}

const NO_IPV6 = ["EAFNOSUPPORT", "EADDRNOTAVAIL"];

export interface HttpEndpointOptions {
  /** In messages: "health", "metrics". */
  name: string;
  bind: BindAddress;
  routes: Routes;
  /** An address that cannot be bound is an error, without another attempt. */
  hardFail: boolean;
  clock: Clock;
  log: ListenerLog;
}

export class HttpEndpoint {
  readonly #listener: Listener;

  constructor({ name, bind, routes, ...options }: HttpEndpointOptions) {
    this.#listener = new Listener({
      ...options,
      attempt: () => listening(bind, routes),
      failure: `The ${name} server cannot listen on ${bind.address} port ${bind.port}`,
    });
  }

  /** The port it listens on; undefined while it does not listen. */
  get port(): number | undefined {
    return this.#listener.port;
  }

  /**
   * Resolves when it listens, or when the first attempt failed; then others follow. With `hardFail`
   * it rejects instead.
   */
  async start(): Promise<void> {
    await this.#listener.start();
  }

  /** Ends every connection too. */
  async stop(): Promise<void> {
    this.#listener.stop();
  }
}

async function listening({ address, port }: BindAddress, routes: Routes): Promise<Server> {
  const isWildcard = address === "0.0.0.0" || address === "::";
  try {
    return await listeningOn(isWildcard ? "::" : address, port, routes);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!isWildcard || !NO_IPV6.includes(code)) throw error;
    return listeningOn("0.0.0.0", port, routes);
  }
}

async function listeningOn(host: string, port: number, routes: Routes): Promise<Server> {
  const server = createHttpServer((request) => answerFromRoutes(routes, request.url));
  await listen(server, { host, port });
  return server;
}
