// Makes a server listen, now or later: when the first attempt fails, others follow until one
// succeeds. It knows no addresses: the caller gives the attempt.

import type { Server } from "node:http";
import type { Clock } from "../system/clock.ts";
import { closeAtOnce } from "./server.ts";

/** Time between two attempts to bind; as kube-proxy's serveHealthz and serveMetrics. */
const BIND_RETRY_MS = 5_000;

export interface ListenerLog {
  warn(fields: object, message: string): void;
}

interface ListenerOptions {
  /** One attempt: resolves to a new, listening server. */
  attempt: () => Promise<Server>;
  /** Precedes the reason of a failed attempt: "The health server cannot listen on [::]:1". */
  failure: string;
  /** A failed attempt is an error, without another attempt. */
  hardFail: boolean;
  clock: Clock;
  log: ListenerLog;
}

export class Listener {
  readonly #options: ListenerOptions;
  #server: Server | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** The port it listens on; undefined while it does not listen, and on a Unix socket. */
  get port(): number | undefined {
    const address = this.#server?.address();
    return typeof address === "object" ? address?.port : undefined;
  }

  /**
   * Resolves when it listens, or when the first attempt failed, which is logged. With `hardFail` it
   * rejects instead.
   */
  async start(): Promise<void> {
    const { attempt, failure, hardFail, log, clock } = this.#options;
    try {
      this.#server = await attempt();
      if (this.#stopped) this.stop();
    } catch (error) {
      const message = `${failure}: ${(error as Error).message}`;
      if (hardFail) throw new Error(message);
      log.warn({ retryInMs: BIND_RETRY_MS }, message);
      if (this.#stopped) return;
      this.#cancelRetry = clock.after(BIND_RETRY_MS, () => void this.start());
    }
  }

  /** Ends every connection, and all attempts. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    const server = this.#server;
    this.#server = undefined;
    if (server) closeAtOnce(server);
  }
}
