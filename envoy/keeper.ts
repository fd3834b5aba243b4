// What the controller needs from what keeps an Envoy running: Portico's supervisor (supervise.ts),
// or another program, such as a container runtime, which restarts it whenever it ends.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { askAdmin, serverInfo } from "./admin.ts";
import { ADMIN_SOCKET } from "./bootstrap.ts";

export interface EnvoyKeeper {
  /** Resolves when an Envoy runs, if this keeper starts it. */
  start(): Promise<void>;
  /** Stops keeping it; Envoy keeps running. */
  release(): Promise<void>;
  /** Ends Envoy and its connections. */
  stop(): Promise<void>;
  /** Version of the binary that it starts; undefined when unknown. */
  readonly version: string | undefined;
  /** How the last Envoy died; undefined while none has. */
  readonly lastDeath: string | undefined;
  /** How a running Envoy differs from the one that it would start; for operators. */
  readonly outdated: readonly string[];
}

const QUIT_WITHIN_MS = 10_000;
const LOOK_INTERVAL_MS = 50;

export class SomebodyElse implements EnvoyKeeper {
  readonly version = undefined;
  readonly lastDeath = undefined;
  readonly outdated = [];
  readonly #adminSocket: string;

  constructor(directory: string) {
    this.#adminSocket = join(directory, ADMIN_SOCKET);
  }

  async start(): Promise<void> {}

  async release(): Promise<void> {}

  /** Resolves when it is gone or replaced, or has not obeyed for a while. */
  async stop(): Promise<void> {
    const before = await this.#uptime();
    await askAdmin(this.#adminSocket, "/quitquitquit", undefined, "POST").catch(() => {});
    for (let waited = 0; waited < QUIT_WITHIN_MS; waited += LOOK_INTERVAL_MS) {
      const now = await this.#uptime();
      if (now === undefined || now < (before ?? 0)) return;
      await sleep(LOOK_INTERVAL_MS);
    }
  }

  async #uptime(): Promise<number | undefined> {
    const info = await serverInfo(this.#adminSocket).catch(() => undefined);
    return info?.uptimeSeconds;
  }
}
