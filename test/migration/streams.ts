// Connections and queries that begin again and again, for as long as a test goes on, and how they
// ended.

import { setTimeout as delay } from "node:timers/promises";
import type { Dialer, DialOptions } from "../namespaces/dialer.ts";
import type { DialResult } from "../namespaces/messages.ts";

/** A SYN that was dropped is repeated in this time; the machine may be slow. */
const PATIENCE_MS = 15_000;
/** As a resolver's: an answer may get lost, the query is repeated. */
const QUERY_TRIES = 3;
const QUERY_PATIENCE_MS = 3_000;
const PAUSE_MS = 10;

interface Door {
  from: Dialer;
  address: string;
  port: number;
  protocol?: "UDP";
  /** Absent: another one each time. */
  localPort?: number;
}

export class Streams {
  readonly #doors: Readonly<Record<string, Door>>;
  readonly #loops: Promise<void>[];
  /** Door → outcome → how often. */
  #tallies = new Map<string, Map<string, number>>();
  #isStopped = false;

  constructor(doors: Readonly<Record<string, Door>>) {
    this.#doors = doors;
    this.#loops = Object.keys(doors).map((name) => this.#stream(name));
  }

  async #stream(name: string): Promise<void> {
    while (!this.#isStopped) {
      const { outcome } = await once(this.#doors[name] as Door);
      const tally = this.#tallies.get(name) ?? new Map<string, number>();
      this.#tallies.set(name, tally.set(outcome, (tally.get(outcome) ?? 0) + 1));
      await delay(PAUSE_MS);
    }
  }

  /** Whether every door was tried so often since the last `outcomes`. */
  hasTried(count: number): boolean {
    return Object.keys(this.#doors).every((name) => {
      const tally = this.#tallies.get(name)?.values() ?? [];
      return [...tally].reduce((sum, each) => sum + each, 0) >= count;
    });
  }

  /** What ended since the last call: door → outcomes that occurred, sorted. */
  outcomes(): Record<string, string[]> {
    const tallies = this.#tallies;
    this.#tallies = new Map();
    const names = Object.keys(this.#doors);
    return Object.fromEntries(
      names.map((name) => [name, [...(tallies.get(name)?.keys() ?? [])].sort()]),
    );
  }

  /** Ends all of it. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }
}

async function once({ from, address, port, protocol, localPort }: Door): Promise<DialResult> {
  const ofPort: DialOptions = localPort === undefined ? {} : { localPort };
  if (protocol !== "UDP") return from.dialOnce(address, port, { timeoutMs: PATIENCE_MS });
  const options: DialOptions = { protocol, timeoutMs: QUERY_PATIENCE_MS, ...ofPort };
  let result = await from.dialOnce(address, port, options);
  for (let tries = 1; tries < QUERY_TRIES && result.outcome === "timeout"; tries++) {
    result = await from.dialOnce(address, port, options);
  }
  return result;
}
