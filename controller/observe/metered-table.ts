// A table gateway → the same, which also counts its pushes.

import type { TableEntry } from "../sync/plan.ts";
import type { TableGateway } from "../sync/reconcile.ts";
import { TableError } from "../table/table-error.ts";
import type { EventMetrics } from "./event-metrics.ts";

/** `now`: milliseconds of any steady clock. */
export function meteredTable(
  table: TableGateway,
  metrics: EventMetrics,
  now: () => number,
): TableGateway {
  const metered = async (
    kind: "snapshot" | "delta",
    entries: readonly TableEntry[],
    push: () => Promise<number>,
  ) => {
    const start = now();
    try {
      const version = await push();
      metrics.tablePushes.inc({ kind });
      metrics.tablePushBytes.inc({ kind }, bytesOf(entries));
      metrics.tablePushSeconds.observe({ kind }, (now() - start) / 1_000);
      return version;
    } catch (error) {
      if (error instanceof TableError) metrics.tablePushFailures.inc({ code: error.code });
      throw error;
    }
  };
  return {
    version: () => table.version(),
    read: () => table.read(),
    pushSnapshot: (entries) => metered("snapshot", entries, () => table.pushSnapshot(entries)),
    pushDelta: (base, upserts, removals) =>
      metered("delta", upserts, () => table.pushDelta(base, upserts, removals)),
  };
}

function bytesOf(entries: readonly TableEntry[]): number {
  return entries.reduce((sum, { record }) => sum + record.length, 0);
}
