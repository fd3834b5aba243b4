// Whether a running Envoy still answers: asks its admin interface periodically; one that leaves two
// requests in a row without an answer hangs. Its main thread answers, which also takes
// configuration. A missing socket says nothing, since another process may have removed the file of
// an Envoy that serves.

import { isShortage } from "../controller/system/shortage.ts";
import { askAdmin } from "./admin.ts";

/** Errors of a socket that mean: not asked. The same holds when no descriptor is left. */
const NOT_ASKED = ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EAGAIN"];
const SILENCES = 2;

interface LivenessOptions {
  adminSocket: string;
  /** Time until it counts as hung; 0: never. */
  patienceMs: number;
  /** Time between an answer and the next request. */
  intervalMs: number;
}

export class Liveness {
  readonly #options: LivenessOptions;
  #silences = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
    if (options.patienceMs > 0) this.#askLater();
  }

  get isHung(): boolean {
    return this.#silences >= SILENCES;
  }

  /** Starts again: another process has replaced it. */
  beginAnew(): void {
    this.#silences = 0;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #askLater(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#ask(), this.#options.intervalMs);
    this.#timer.unref();
  }

  async #ask(): Promise<void> {
    const { adminSocket, patienceMs } = this.#options;
    try {
      await askAdmin(adminSocket, "/ready", patienceMs / SILENCES);
      this.#silences = 0;
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!NOT_ASKED.includes(code) && !isShortage(error)) this.#silences += 1;
    }
    this.#askLater();
  }
}
