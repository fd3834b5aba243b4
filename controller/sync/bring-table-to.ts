// The table that Envoy has → the one it should have, at once: for an Envoy without kernel rules,
// where the order of steps in reconcile.ts does not matter.

import type { RecordKey } from "../wire/key.ts";
import type { Table, TableEntry } from "./plan.ts";
import { planPushes } from "./plan.ts";
import type { TableGateway } from "./reconcile.ts";

interface TableChange {
  version: number;
  /** Lists that are new or changed. */
  changed: number;
  removed: number;
}

/** Rejects with TableError; a conflict means that another process pushed meanwhile. */
export async function bringTableTo(
  target: Table,
  gateway: Pick<TableGateway, "read" | "pushSnapshot" | "pushDelta">,
): Promise<TableChange> {
  const { version, entries } = await gateway.read();
  if (version === 0) {
    const pushed = await gateway.pushSnapshot([...target.values()]);
    return { version: pushed, changed: target.size, removed: 0 };
  }
  const keys = new Set<RecordKey>([...entries.keys(), ...target.keys()]);
  const { first, last } = planPushes(entries, target, keys);
  const differing = [...first, ...last];
  const upserts = entriesAt(target, differing);
  const removals = entriesAt(
    entries,
    differing.filter((key) => !target.has(key)),
  );
  const change = { changed: upserts.length, removed: removals.length };
  if (differing.length === 0) return { version, ...change };
  return { version: await gateway.pushDelta(version, upserts, removals), ...change };
}

function entriesAt(table: Table, keys: readonly RecordKey[]): TableEntry[] {
  return keys.flatMap((key) => table.get(key) ?? []);
}
