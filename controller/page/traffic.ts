// Totals that only grow, read periodically → rates, and their last minutes. Reads only while the
// page is in use: the first request starts it, and it ends a while after the last.

import type { ObjectKey } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import type { TrafficHistory, TrafficNow } from "./page-api.ts";

/** Totals since Envoy started, except openConnections, which is the present number. */
export interface Totals {
  connections: number;
  openConnections: number;
  failures: number;
  receivedBytes: number;
  sentBytes: number;
}

export interface TrafficReading {
  node: Totals;
  /** Undefined where nothing counts per Service. */
  services?: ReadonlyMap<ObjectKey, Totals> | undefined;
}

interface TrafficOptions {
  /** Rejects when Envoy does not answer. */
  read: () => Promise<TrafficReading>;
  clock: Clock;
}

const INTERVAL_SECONDS = 2;
/** Five minutes. */
const MOST_SAMPLES = 150;
const LOOKED_AT_MS = 60_000;

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #history: TrafficNow[] = [];
  #last: { at: number; reading: TrafficReading } | undefined;
  #services: ReadonlyMap<ObjectKey, TrafficNow> | undefined;
  #lookedAt = 0;
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  /** Notes that the page is in use: reads for a while from now. */
  look(): void {
    this.#lookedAt = this.#options.clock.now();
    if (this.#cancel || this.#isStopped) return;
    this.#cancel = () => {};
    void this.#sample();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  now(): TrafficNow | undefined {
    return this.#history.at(-1);
  }

  /** Whether connections are counted per Service. */
  get isCounted(): boolean {
    return this.#services !== undefined;
  }

  /** Returns undefined where nothing counts per Service; zeros for one without traffic. */
  of(service: ObjectKey): TrafficNow | undefined {
    return this.#services && (this.#services.get(service) ?? QUIET);
  }

  history(): TrafficHistory {
    return {
      intervalSeconds: INTERVAL_SECONDS,
      connectionsPerSecond: this.#history.map((each) => rounded(each.connectionsPerSecond)),
      openConnections: this.#history.map(({ openConnections }) => openConnections),
      bytesPerSecond: this.#history.map((each) =>
        Math.round(each.receivedBytesPerSecond + each.sentBytesPerSecond),
      ),
    };
  }

  async #sample(): Promise<void> {
    const { read, clock } = this.#options;
    const reading = await read().catch(() => undefined);
    if (this.#isStopped) return;
    if (reading) this.#take(clock.now(), reading);
    else this.#forget();
    if (clock.now() - this.#lookedAt > LOOKED_AT_MS) {
      this.#cancel = undefined;
      this.#forget();
      return;
    }
    this.#cancel = clock.after(INTERVAL_SECONDS * 1_000, () => void this.#sample());
  }

  /** Values after a gap must not be compared with those before. */
  #forget(): void {
    this.#last = undefined;
    this.#services = undefined;
    this.#history.length = 0;
  }

  #take(at: number, reading: TrafficReading): void {
    const last = this.#last;
    this.#last = { at, reading };
    if (!last) return;
    const seconds = Math.max((at - last.at) / 1_000, 0.001);
    this.#history.push(rates(last.reading.node, reading.node, seconds));
    if (this.#history.length > MOST_SAMPLES) this.#history.shift();
    this.#services = serviceRates(last.reading.services, reading.services, seconds);
  }
}

const QUIET: TrafficNow = {
  connectionsPerSecond: 0,
  openConnections: 0,
  failuresPerSecond: 0,
  receivedBytesPerSecond: 0,
  sentBytesPerSecond: 0,
};

/** A Service without totals before had its first connection since. */
function serviceRates(
  before: TrafficReading["services"],
  after: TrafficReading["services"],
  seconds: number,
): Map<ObjectKey, TrafficNow> | undefined {
  if (!before || !after) return undefined;
  const of = (key: ObjectKey, now: Totals) => rates(before.get(key) ?? NOTHING, now, seconds);
  return new Map([...after].map(([key, now]) => [key, of(key, now)]));
}

const NOTHING: Totals = {
  connections: 0,
  openConnections: 0,
  failures: 0,
  receivedBytes: 0,
  sentBytes: 0,
};

/** A total that shrank started again from 0, with another Envoy. */
function rates(before: Totals, after: Totals, seconds: number): TrafficNow {
  const rate = (name: keyof Totals) => {
    const grown = after[name] - before[name];
    return rounded((grown < 0 ? after[name] : grown) / seconds);
  };
  return {
    connectionsPerSecond: rate("connections"),
    openConnections: after.openConnections,
    failuresPerSecond: rate("failures"),
    receivedBytesPerSecond: rate("receivedBytes"),
    sentBytesPerSecond: rate("sentBytes"),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
