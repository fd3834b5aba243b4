// Whether a living Envoy still answers: its admin interface is asked now and then, and one that
// leaves two questions in a row without an answer hangs. Its main thread answers, which is also
// what takes configuration. A socket that is not there says nothing, since somebody may have
// removed the file of an Envoy that serves.

import { isShortage } from "../controller/shortage.ts";
import { askAdmin } from "./admin.ts";

/** Silent errors of a socket: nobody was asked. So it is when no descriptor is left to ask with. */
const NOT_ASKED = ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EAGAIN"];
const SILENCES = 2;

export interface LivenessOptions {
  adminSocket: string;
  /** Until it counts as hung; 0: never. */
  patienceMs: number;
  /** Between an answer and the next question. */
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

  /** Another process is in its place. */
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
