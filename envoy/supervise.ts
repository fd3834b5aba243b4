// Keeps one Envoy running: adopts a running one, starts one when there is none or it died or hangs,
// and passes its log on. It is not the parent of an adopted Envoy, so it polls.

import { join } from "node:path";
import { serverInfo } from "./admin.ts";
import { ADMIN_SOCKET } from "./bootstrap.ts";
import type { EnvoyKeeper } from "./keeper.ts";
import { Liveness } from "./liveness.ts";
import { LogFollower } from "./log-follower.ts";
import {
  type EnvoyOptions,
  endEnvoy,
  isEnvoyOf,
  LOG_FILE,
  livingEnvoy,
  signal,
  startEnvoy,
  startedOtherwise,
} from "./process.ts";
import { envoyVersion, refuseOldEnvoy, tooOld } from "./version.ts";

interface EnvoyLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

interface SupervisorOptions extends EnvoyOptions {
  log: EnvoyLog;
  /** An Envoy that does not answer for this long is killed; 0: never. */
  hungAfterMs: number;
  /** Called when Envoy died and will be restarted. */
  onDeath?: () => void;
  /** Called when Envoy hangs, and is about to be killed. */
  onHung?: () => void;
}

/** How often it looks: it notices a dead Envoy, and passes its log on, within this time. */
const LOOK_INTERVAL_MS = 100;

/** How often it checks whether Envoy still answers. */
const ASK_INTERVAL_MS = 5_000;

/** Delay between starts of an Envoy that dies early; after a good run it restarts immediately. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
const SAME_COMPLAINT_MS = 10_000;
/** A run of this length was good: its end resets the delays. */
const GOOD_RUN_MS = 10_000;

export class EnvoySupervisor implements EnvoyKeeper {
  readonly #options: SupervisorOptions;
  readonly #follower: LogFollower;
  readonly #liveness: Liveness;
  /** The version of the binary, once it is known. */
  #version: string | undefined;
  #outdated: readonly string[] = [];
  #pid: number | undefined;
  #lastDeath: string | undefined;
  /** How an Envoy started here ended; unknown for an adopted one. */
  #ended = "unknown";
  #startedAt = 0;
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #released = false;
  #complaint = { message: "", at: 0 };

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#follower = new LogFollower(join(options.runDirectory, LOG_FILE));
    this.#liveness = new Liveness({
      adminSocket: join(options.runDirectory, ADMIN_SOCKET),
      patienceMs: options.hungAfterMs,
      intervalMs: Math.min(ASK_INTERVAL_MS, options.hungAfterMs),
    });
  }

  /** Pid of the Envoy, undefined while there is none. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** The binary's version; undefined when it does not report it. */
  get version(): string | undefined {
    return this.#version;
  }

  /** How the last Envoy died; undefined while none has. */
  get lastDeath(): string | undefined {
    return this.#lastDeath;
  }

  /** How the adopted Envoy differs from the one that it would start; for operators. */
  get outdated(): readonly string[] {
    return this.#outdated;
  }

  /**
   * Resolves when an Envoy runs, which does not mean that it is configured. Throws EnvoyTooOldError
   * instead of starting one that is too old; reports a running one.
   */
  async start(): Promise<void> {
    const { runDirectory, binary } = this.#options;
    await this.#follower.skip();
    this.#version = await envoyVersion(binary);
    this.#pid = await livingEnvoy(runDirectory);
    if (this.#pid === undefined) await this.#startOne();
    else await this.#adopt(this.#pid);
    this.#lookLater();
  }

  async #adopt(pid: number): Promise<void> {
    const { runDirectory, binary, log } = this.#options;
    const info = await serverInfo(join(runDirectory, ADMIN_SOCKET)).catch(() => undefined);
    const outdated = await startedOtherwise(this.#options, pid);
    if (info && this.#version !== undefined && info.version !== this.#version) {
      const binaryTooOld = tooOld(this.#version, binary);
      const both = `it is Envoy ${info.version}, and ${binary} is ${this.#version}`;
      outdated.unshift(binaryTooOld ?? both);
    }
    this.#outdated = outdated;
    const fields = { pid, version: info?.version };
    log.info(fields, "adopted the running Envoy");
  }

  /** Stops supervising; Envoy keeps running. */
  async release(): Promise<void> {
    this.#released = true;
    this.#liveness.stop();
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
    refuseOldEnvoy(this.#version, this.#options.binary);
    this.#startedAt = performance.now();
    this.#ended = "unknown";
    const onExit = (how: string) => {
      this.#ended = how;
    };
    this.#pid = await startEnvoy({ ...this.#options, onExit });
    this.#outdated = [];
    this.#liveness.beginAnew();
    this.#options.log.info({ pid: this.#pid, version: this.#version }, "started Envoy");
  }

  #lookLater(): void {
    if (this.#released) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look()
        .catch((error: Error) => this.#complain(error.message))
        .finally(() => this.#lookLater());
    }, LOOK_INTERVAL_MS);
  }

  /** Logs the same message, which each look may produce, only now and then. */
  #complain(message: string): void {
    const at = performance.now();
    const last = this.#complaint;
    if (message === last.message && at - last.at < SAME_COMPLAINT_MS) return;
    this.#complaint = { message, at };
    const what = this.#pid === undefined ? "no Envoy" : "cannot supervise Envoy";
    this.#options.log.error({ error: message }, what);
  }

  async #look(): Promise<void> {
    await this.#passOnLog();
    if (this.#pid !== undefined && this.#liveness.isHung) this.#killHung(this.#pid);
    if (this.#pid !== undefined) await this.#noticeDeath(this.#pid);
    if (this.#pid !== undefined || this.#released) return;
    if (performance.now() - this.#startedAt < this.#delayMs) return;
    await this.#startOne().catch((error: Error) => {
      this.#delayMs = longerDelay(this.#delayMs);
      throw error;
    });
  }

  /** Its connections are lost, but they were lost already: nothing reads them. */
  #killHung(pid: number): void {
    const { log, hungAfterMs, onHung } = this.#options;
    log.error(
      { pid, silentForMs: hungAfterMs },
      "Envoy is hung: its admin interface does not answer; killing it",
    );
    onHung?.();
    this.#liveness.beginAnew();
    signal(pid, "SIGKILL");
  }

  async #noticeDeath(pid: number): Promise<void> {
    if (await isEnvoyOf(this.#options.runDirectory, pid)) return;
    this.#pid = undefined;
    this.#lastDeath = this.#ended;
    this.#options.onDeath?.();
    const wasGood = performance.now() - this.#startedAt >= GOOD_RUN_MS;
    this.#delayMs = wasGood ? 0 : longerDelay(this.#delayMs);
    const fields = { pid, ended: this.#ended, againInMs: this.#delayMs };
    this.#options.log.error(fields, "Envoy exited; restarting it");
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
