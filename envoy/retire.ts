// An Envoy that gets nothing new any more: it keeps its connections until none is left or its time
// is over, and is then ended. The controller may restart meanwhile.

import { join } from "node:path";
import { type OpenConnections, openConnections } from "./admin.ts";
import { ADMIN_SOCKET } from "./bootstrap.ts";

interface RetirementOptions {
  directory: string;
  /** Milliseconds since 1970. */
  until: number;
  /** The present time, in the same unit. */
  now: () => number;
  isAlive: () => Promise<boolean>;
  /** Ends it, with its connections. */
  end: () => Promise<void>;
  /** Called when it has ended, with the reason. */
  onEnd: (why: string) => Promise<void>;
}

const LOOK_INTERVAL_MS = 500;
/** Looks without connections before it ends: the kernel may have just handed one over. */
const EMPTY_LOOKS = 3;

export class Retirement {
  readonly #options: RetirementOptions;
  #open: OpenConnections | undefined;
  #emptyLooks = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isReleased = false;

  constructor(options: RetirementOptions) {
    this.#options = options;
    this.#lookLater();
  }

  get until(): number {
    return this.#options.until;
  }

  /** The last count; undefined before the first look, or when Envoy does not answer. */
  get open(): OpenConnections | undefined {
    return this.#open;
  }

  /** Stops looking; Envoy keeps running. */
  async release(): Promise<void> {
    this.#isReleased = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Ends Envoy immediately, with its connections. */
  async endNow(why: string): Promise<void> {
    await this.release();
    await this.#end(why);
  }

  #lookLater(): void {
    if (this.#isReleased) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#lookLater());
    }, LOOK_INTERVAL_MS);
  }

  async #look(): Promise<void> {
    const why = await this.#reasonToEnd();
    if (why === undefined || this.#isReleased) return;
    this.#isReleased = true;
    await this.#end(why);
  }

  async #reasonToEnd(): Promise<string | undefined> {
    const { directory, until, now, isAlive } = this.#options;
    if (!(await isAlive())) return "it exited by itself";
    this.#open = await openConnections(join(directory, ADMIN_SOCKET)).catch(() => undefined);
    const isEmpty = this.#open?.tcp === 0 && this.#open.udpFlows === 0;
    this.#emptyLooks = isEmpty ? this.#emptyLooks + 1 : 0;
    if (this.#emptyLooks >= EMPTY_LOOKS) return "no connections were left";
    if (now() < until) return undefined;
    const { tcp = "an unknown number of", udpFlows = 0 } = this.#open ?? {};
    return (
      `its drain time was over; ${tcp} connections and ${udpFlows} UDP flows were closed ` +
      "with it"
    );
  }

  async #end(why: string): Promise<void> {
    await this.#options.end();
    await this.#options.onEnd(why);
  }
}
