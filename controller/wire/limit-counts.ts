// What the plugin counted of a ServicePort with limits, from its entries of all.

import type { FrontendSettings } from "../node/types.ts";
import { serviceIdOf } from "./service-id.ts";
import type { StatsEntry } from "./stats.ts";

/** Of one node; up to a second old. */
export interface LimitCounts {
  /** Connections now. */
  open: number;
  /** Refused since Envoy started, because there were as many as allowed … */
  refused: number;
  /** … or because they came faster than allowed. */
  refusedNew: number;
}

/** Returns 0 for all of a ServicePort that was never used. */
export function limitCountsOf(
  of: Parameters<typeof serviceIdOf>[0],
  entries: readonly StatsEntry[],
): LimitCounts {
  const id = serviceIdOf(of);
  const own = entries.find(({ serviceId, backend }) => serviceId === id && !backend)?.counters;
  return {
    open: own ? Math.max(0, own.opened - own.closed) : 0,
    refused: own?.limited.connections ?? 0,
    refusedNew: own?.limited.newConnections ?? 0,
  };
}

/** Returns a few words for each limit: "9 of at most 10 connections, 3 refused". */
export function limitTexts(settings: FrontendSettings, counts: LimitCounts): string[] {
  const { maxConnections, maxNewConnectionsPerSecond } = settings;
  const { open, refused, refusedNew } = counts;
  return [
    ...(maxConnections === 0
      ? []
      : [`${open} of at most ${maxConnections} connections, ${refused} refused`]),
    ...(maxNewConnectionsPerSecond === 0
      ? []
      : [`at most ${maxNewConnectionsPerSecond} new connections a second, ${refusedNew} refused`]),
  ];
}
