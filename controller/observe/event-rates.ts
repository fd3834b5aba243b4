// How many new Events may be written: token buckets, one for each object and one for all. No I/O.

import type { Clock } from "../system/clock.ts";

/** As client-go's spam filter (tools/record/events_cache.go): 25 at once, then one in 5 minutes. */
const PER_OBJECT = { tokens: 25, refillMs: 300_000 };
/** A cluster with errors everywhere must not keep the API server busy from every node. */
const FOR_ALL = { tokens: 100, refillMs: 1_000 };
const MAX_OBJECTS = 4_096;

interface Rate {
  tokens: number;
  /** Milliseconds for one token. */
  refillMs: number;
}

class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.tokens;
    this.#at = now;
  }

  hasToken(now: number): boolean {
    const { tokens, refillMs } = this.#rate;
    this.#tokens = Math.min(tokens, this.#tokens + (now - this.#at) / refillMs);
    this.#at = now;
    return this.#tokens >= 1;
  }

  take(): void {
    this.#tokens -= 1;
  }
}

export class EventRates {
  readonly #clock: Clock;
  readonly #all: TokenBucket;
  /** Least recently used first. */
  readonly #objects = new Map<string, TokenBucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#all = new TokenBucket(FOR_ALL, clock.now());
  }

  /** Takes a token from each bucket when both have one. */
  allow(object: string): boolean {
    const now = this.#clock.now();
    const bucket = this.#objects.get(object) ?? new TokenBucket(PER_OBJECT, now);
    this.#objects.delete(object);
    this.#objects.set(object, bucket);
    const [oldest] = this.#objects.keys();
    if (this.#objects.size > MAX_OBJECTS && oldest !== undefined) this.#objects.delete(oldest);
    if (!bucket.hasToken(now) || !this.#all.hasToken(now)) return false;
    bucket.take();
    this.#all.take();
    return true;
  }
}
