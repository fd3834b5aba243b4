// What was counted per Service by the active Envoy, by one that it replaced and that still has
// connections, and by those before them → one list of entries, so that totals continue when an
// Envoy is replaced. For one that has ended, the last read counts; what it counted afterwards is
// lost.

import type { TableClient } from "../table/client.ts";
import type { Counters, StatsEntry } from "../wire/stats.ts";

/** One Envoy's. */
export type StatsOfEnvoyTable = Pick<TableClient, "stats" | "forgetStats">;

interface StatsOfEnvoysOptions {
  present: () => StatsOfEnvoyTable;
  draining: () => StatsOfEnvoyTable | undefined;
}

export class StatsOfEnvoys {
  readonly #options: StatsOfEnvoysOptions;
  #drained: { table: StatsOfEnvoyTable; entries: readonly StatsEntry[] } | undefined;
  /** Entries of Envoys that have ended, by key. */
  #ended: ReadonlyMap<string, StatsEntry> = new Map();

  constructor(options: StatsOfEnvoysOptions) {
    this.#options = options;
  }

  /** As TableClient.stats: rejects when the present Envoy does not answer. */
  async stats(): Promise<StatsEntry[] | undefined> {
    const present = await this.#options.present().stats();
    await this.#followDraining();
    if (!this.#drained && this.#ended.size === 0) return present;
    const all = [present ?? [], this.#drained?.entries ?? [], [...this.#ended.values()]];
    return [...summed(all).values()];
  }

  async forgetStats(keys: readonly Uint8Array[]): Promise<void> {
    if (keys.length === 0) return;
    const gone = new Set(keys.map(textOf));
    this.#ended = new Map([...this.#ended].filter(([key]) => !gone.has(key)));
    await this.#options.present().forgetStats(keys);
    await this.#options
      .draining()
      ?.forgetStats(keys)
      .catch(() => {});
  }

  async #followDraining(): Promise<void> {
    const table = this.#options.draining();
    const before = this.#drained;
    if (before && before.table !== table) {
      this.#ended = summed([[...this.#ended.values()], before.entries.map(afterItsEnd)]);
      this.#drained = undefined;
    }
    if (!table) return;
    const entries = await table.stats().catch(() => undefined);
    this.#drained = { table, entries: entries ?? this.#drained?.entries ?? [] };
  }
}

/** Returns the entry after its Envoy's end: its connections ended with it. */
function afterItsEnd(entry: StatsEntry): StatsEntry {
  const { counters } = entry;
  return { ...entry, counters: { ...counters, closed: counters.opened } };
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

function summed(all: readonly (readonly StatsEntry[])[]): Map<string, StatsEntry> {
  const sums = new Map<string, StatsEntry>();
  for (const entry of all.flat()) {
    const key = textOf(entry.keyBytes);
    const before = sums.get(key);
    const counters = before ? sumOf(before.counters, entry.counters) : entry.counters;
    sums.set(key, { ...entry, counters });
  }
  return sums;
}

/** Adds up two sets of counters, field by field; histograms bucket by bucket. */
export function sumOf(a: Counters, b: Counters): Counters {
  return sumOfValues(a, b) as Counters;
}

/** Adds up numbers, and the numbers within objects. */
function sumOfValues(a: unknown, b: unknown): unknown {
  if (typeof a === "number") return a + (b as number);
  if (Array.isArray(a)) return a.map((each, i) => sumOfValues(each, (b as unknown[])[i]));
  const other = b as Record<string, unknown>;
  const pairs = Object.entries(a as object).map(([name, value]) => {
    return [name, sumOfValues(value, other[name])];
  });
  return Object.fromEntries(pairs);
}
