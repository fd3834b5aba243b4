// Keeps one Envoy running: adopts the one that lives already, starts one when there is none or it
// died, and passes its log on. It is not the parent of an Envoy it adopted, so it looks instead of
// being told.

import { join } from "node:path";
import { LogFollower } from "./log-follower.ts";
import {
  type EnvoyOptions,
  endEnvoy,
  isEnvoyOf,
  LOG_FILE,
  livingEnvoy,
  startEnvoy,
} from "./process.ts";

export interface EnvoyLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface SupervisorOptions extends EnvoyOptions {
  log: EnvoyLog;
  /** Envoy died and is started again. */
  onDeath?: () => void;
}

/** How often we look: a dead Envoy is noticed, and its log passed on, within this time. */
const LOOK_INTERVAL_MS = 100;

/** Between two starts of an Envoy that dies young; the first start after a good run is at once. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** One that lived this long was good: its death begins the delays anew. */
const GOOD_RUN_MS = 10_000;

export class EnvoySupervisor {
  readonly #options: SupervisorOptions;
  readonly #follower: LogFollower;
  #pid: number | undefined;
  /** How the one that we started ended; an adopted one's end is not told us. */
  #ended = "unknown";
  #startedAt = 0;
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #released = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#follower = new LogFollower(join(options.runDirectory, LOG_FILE));
  }

  /** Pid of the Envoy, undefined while there is none. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Resolves when an Envoy runs, which does not mean that it is configured. */
  async start(): Promise<void> {
    const { runDirectory, log } = this.#options;
    await this.#follower.skip();
    this.#pid = await livingEnvoy(runDirectory);
    if (this.#pid === undefined) await this.#startOne();
    else log.info({ pid: this.#pid }, "took over the Envoy that runs already");
    this.#lookLater();
  }

  /** Stops supervising; Envoy goes on. */
  async release(): Promise<void> {
    this.#released = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Ends Envoy and its connections, and removes its sockets. */
  async stop(): Promise<void> {
    await this.release();
    await endEnvoy(this.#options.runDirectory, this.#pid);
    await this.#passOnLog();
    this.#pid = undefined;
  }

  async #startOne(): Promise<void> {
    this.#startedAt = performance.now();
    this.#ended = "unknown";
    const onExit = (how: string) => {
      this.#ended = how;
    };
    this.#pid = await startEnvoy({ ...this.#options, onExit });
    this.#options.log.info({ pid: this.#pid }, "started Envoy");
  }

  #lookLater(): void {
    if (this.#released) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look()
        .catch((error: Error) => this.#options.log.error({ error: error.message }, "no Envoy"))
        .finally(() => this.#lookLater());
    }, LOOK_INTERVAL_MS);
  }

  async #look(): Promise<void> {
    await this.#passOnLog();
    if (this.#pid !== undefined) await this.#noticeDeath(this.#pid);
    if (this.#pid !== undefined || this.#released) return;
    if (performance.now() - this.#startedAt < this.#delayMs) return;
    await this.#startOne().catch((error: Error) => {
      this.#delayMs = longerDelay(this.#delayMs);
      throw error;
    });
  }

  async #noticeDeath(pid: number): Promise<void> {
    if (await isEnvoyOf(this.#options.runDirectory, pid)) return;
    this.#pid = undefined;
    this.#options.onDeath?.();
    const wasGood = performance.now() - this.#startedAt >= GOOD_RUN_MS;
    this.#delayMs = wasGood ? 0 : longerDelay(this.#delayMs);
    const fields = { pid, ended: this.#ended, againInMs: this.#delayMs };
    this.#options.log.error(fields, "Envoy died; starting another");
  }

  async #passOnLog(): Promise<void> {
    for (const { level, text } of await this.#follower.read()) {
      this.#options.log[level]({ from: "envoy" }, text);
    }
  }
}

function longerDelay(delayMs: number): number {
  return Math.min(Math.max(delayMs * 2, FIRST_DELAY_MS), LONGEST_DELAY_MS);
}
