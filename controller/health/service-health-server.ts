// HealthChecks → HTTP servers on their ports: opened, closed and kept as the Services come and go.
// Sockets only; what is answered is service-health.ts's.

import type { Server } from "node:http";
import type { Clock } from "../clock.ts";
import { addressAndPort, familyOf } from "../model/ip.ts";
import { closeAtOnce, createHttpServer, JSON_TYPE, send } from "../observe/http-endpoint.ts";
import { type HealthCheck, healthCheckAnswer } from "./service-health.ts";

/** Until a port that was taken is tried again: kube-proxy may have had it, and have ended. */
const RETRY_MS = 1_000;

export interface ServiceHealthServerOptions {
  isProxyHealthy: () => boolean;
  clock: Clock;
  /** `where` is "address:port". Told once for each `serve`; it is tried again until it works. */
  cannotListen: (check: HealthCheck, where: string, error: Error) => void;
}

interface Claim {
  address: string;
  where: string;
  check: HealthCheck;
}

interface Listener {
  server: Server;
  check: HealthCheck;
}

export class ServiceHealthServer {
  readonly #options: ServiceHealthServerOptions;
  /** By "address:port". */
  readonly #listeners = new Map<string, Listener>();
  #claims: readonly Claim[] = [];
  /** Of claims that somebody was told of since the last `serve`. */
  readonly #told = new Set<string>();
  #cancelRetry: (() => void) | undefined;

  constructor(options: ServiceHealthServerOptions) {
    this.#options = options;
  }

  /**
   * Serves exactly these, each on the addresses of its family. "0.0.0.0" and "::" stand for every
   * address of one family. kube-proxy closes the other addresses of a Service when one cannot be
   * bound; here they go on. Of two Services that want one port, the one that has it keeps it.
   */
  serve(checks: readonly HealthCheck[], addresses: readonly string[]): void {
    const claims = checks.flatMap((check) => claimsOf(check, addresses));
    const kept = new Set(claims.map(({ where, check }) => identity(where, check)));
    for (const [where, { check }] of this.#listeners) {
      if (!kept.has(identity(where, check))) this.#close(where);
    }
    this.#claims = claims;
    this.#told.clear();
    for (const claim of claims) this.#grant(claim);
  }

  close(): void {
    this.#claims = [];
    this.#cancelRetry?.();
    for (const where of this.#listeners.keys()) this.#close(where);
  }

  #grant(claim: Claim): void {
    const { where, check } = claim;
    const listener = this.#listeners.get(where);
    if (!listener) {
      this.#open(claim);
    } else if (identity(where, listener.check) === identity(where, check)) {
      listener.check = check;
    } else {
      const { namespace, name } = listener.check;
      this.#tell(claim, new Error(`Service ${namespace}/${name} has this healthCheckNodePort`));
    }
  }

  #tell({ where, check }: Claim, error: Error): void {
    const claimed = identity(where, check);
    if (!this.#told.has(claimed)) this.#options.cannotListen(check, where, error);
    this.#told.add(claimed);
  }

  #retryLater(): void {
    this.#cancelRetry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#cancelRetry = undefined;
      for (const claim of this.#claims) this.#grant(claim);
    });
  }

  #open({ address, where, check }: Claim): void {
    const server = createHttpServer((request, response) => {
      request.resume();
      const answer = healthCheckAnswer(listener.check, this.#options.isProxyHealthy());
      send(response, { type: JSON_TYPE, ...answer });
    });
    const listener = { server, check };
    this.#listeners.set(where, listener);
    server.on("error", (error: NodeJS.ErrnoException) => {
      // Of one connection: the server goes on (controller/listen.ts).
      if (error.syscall === "accept") return;
      if (this.#listeners.get(where) !== listener) return;
      this.#close(where);
      this.#tell({ address, where, check: listener.check }, error);
      this.#retryLater();
    });
    // Closed before it listened: Node forgets that.
    server.on("listening", () => {
      if (this.#listeners.get(where) !== listener) closeAtOnce(server);
    });
    server.listen({ host: address, port: check.port, ipv6Only: true });
  }

  #close(where: string): void {
    const listener = this.#listeners.get(where);
    this.#listeners.delete(where);
    if (listener) closeAtOnce(listener.server);
  }
}

function claimsOf(check: HealthCheck, addresses: readonly string[]): Claim[] {
  return addresses
    .filter((address) => familyOf(address) === check.family)
    .map((address) => ({ address, where: addressAndPort(address, check.port), check }));
}

function identity(where: string, { namespace, name }: HealthCheck): string {
  return `${where} ${namespace}/${name}`;
}
