// An Envoy that gets nothing new any more: it goes on with the connections that it has until none
// is left or its time is over, and is ended then. The controller may come and go meanwhile.

import { join } from "node:path";
import { type OpenConnections, openConnections } from "./admin.ts";
import { ADMIN_SOCKET } from "./bootstrap.ts";

export interface RetirementOptions {
  directory: string;
  /** Milliseconds since 1970. */
  until: number;
  /** The same, now. */
  now: () => number;
  isAlive: () => Promise<boolean>;
  /** Ends it, with what it has. */
  end: () => Promise<void>;
  /** It has ended, and why. */
  onEnd: (why: string) => Promise<void>;
}

const LOOK_INTERVAL_MS = 500;
/** A connection that the kernel handed over just before may not be counted yet. */
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

  /** As last seen; undefined before the first look, or when Envoy does not say. */
  get open(): OpenConnections | undefined {
    return this.#open;
  }

  /** Stops looking; Envoy goes on. */
  async release(): Promise<void> {
    this.#isReleased = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Ends Envoy at once, with what it has. */
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
    if (!(await isAlive())) return "it died";
    this.#open = await openConnections(join(directory, ADMIN_SOCKET)).catch(() => undefined);
    const isEmpty = this.#open?.tcp === 0 && this.#open.udpFlows === 0;
    this.#emptyLooks = isEmpty ? this.#emptyLooks + 1 : 0;
    if (this.#emptyLooks >= EMPTY_LOOKS) return "no connection was left";
    if (now() < until) return undefined;
    const { tcp = "an unknown number of", udpFlows = 0 } = this.#open ?? {};
    return `its drain time was over; ${tcp} connections and ${udpFlows} UDP flows ended with it`;
  }

  async #end(why: string): Promise<void> {
    await this.#options.end();
    await this.#options.onEnd(why);
  }
}
