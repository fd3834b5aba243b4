// Other changes, so many a second: in one Service after another the first endpoint is replaced.

import type { Api } from "./api.ts";
import { numberedSlice } from "./objects.ts";

const TICK_MS = 20;
const MOST_UNANSWERED = 200;
/** Has no divisor in common with usual numbers of Services, so that it comes to all of them. */
const STRIDE = 7_919;

export class Churn {
  readonly #api: Api;
  readonly #services: number;
  readonly #endpoints: number;
  #count = 0;
  #unanswered = 0;
  #failure: Error | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(api: Api, services: number, endpoints: number) {
    this.#api = api;
    this.#services = services;
    this.#endpoints = endpoints;
  }

  start(perSecond: number): void {
    const begun = performance.now();
    const before = this.#count;
    this.#timer = setInterval(() => {
      const due = before + ((performance.now() - begun) / 1_000) * perSecond;
      while (this.#count < due && this.#unanswered < MOST_UNANSWERED) this.#change();
    }, TICK_MS);
  }

  /** How many changes there were so far. Throws when the API server refused one. */
  get count(): number {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#count;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #change(): void {
    this.#count += 1;
    this.#unanswered += 1;
    const index = (this.#count * STRIDE) % this.#services;
    this.#api
      .replace(numberedSlice(index, this.#endpoints, this.#count))
      .catch((error: Error) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#unanswered -= 1;
      });
  }
}
