// HealthChecks → HTTP servers on their ports: opened, kept and closed as Services come and go.
// Sockets only; service-health.ts makes the answers.

import type { Server } from "node:http";
import { JSON_TYPE } from "../http/answer.ts";
import { closeAtOnce, createHttpServer } from "../http/server.ts";
import { addressAndPort, familyOf } from "../model/ip.ts";
import type { Clock } from "../system/clock.ts";
import { listen } from "../system/listen.ts";
import { type HealthCheck, healthCheckAnswer } from "./service-health.ts";

/** Time before it tries a port in use again: kube-proxy may have had it, and have ended. */
const RETRY_MS = 1_000;

interface ServiceHealthServerOptions {
  isProxyHealthy: () => boolean;
  clock: Clock;
  /** `where` is "address:port". Called once for each `serve`, which retries until it works. */
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
  /** Claims that were reported since the last `serve`. */
  readonly #reported = new Set<string>();
  #cancelRetry: (() => void) | undefined;

  constructor(options: ServiceHealthServerOptions) {
    this.#options = options;
  }

  /**
   * Serves exactly these, each on the addresses of its family. "0.0.0.0" and "::" stand for every
   * address of one family. kube-proxy closes the other addresses of a Service when one cannot be
   * bound; here they stay open. Of two Services that want one port, the one that has it keeps it.
   */
  serve(checks: readonly HealthCheck[], addresses: readonly string[]): void {
    const claims = checks.flatMap((check) => claimsOf(check, addresses));
    const kept = new Set(claims.map(({ where, check }) => identity(where, check)));
    for (const [where, { check }] of this.#listeners) {
      if (!kept.has(identity(where, check))) this.#close(where);
    }
    this.#claims = claims;
    this.#reported.clear();
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
      this.#report(claim, new Error(`Service ${namespace}/${name} has this healthCheckNodePort`));
    }
  }

  #report({ where, check }: Claim, error: Error): void {
    const claimed = identity(where, check);
    if (!this.#reported.has(claimed)) this.#options.cannotListen(check, where, error);
    this.#reported.add(claimed);
  }

  #retryLater(): void {
    this.#cancelRetry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#cancelRetry = undefined;
      for (const claim of this.#claims) this.#grant(claim);
    });
  }

  #open({ address, where, check }: Claim): void {
    const server = createHttpServer(() => {
      const answer = healthCheckAnswer(listener.check, this.#options.isProxyHealthy());
      return { type: JSON_TYPE, ...answer };
    });
    const listener = { server, check };
    this.#listeners.set(where, listener);
    listen(server, { host: address, port: check.port, ipv6Only: true }).then(
      () => {
        // It was closed before it listened, which Node forgets: close it again.
        if (this.#listeners.get(where) !== listener) closeAtOnce(server);
      },
      (error: Error) => {
        if (this.#listeners.get(where) !== listener) return;
        this.#close(where);
        this.#report({ address, where, check: listener.check }, error);
        this.#retryLater();
      },
    );
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
