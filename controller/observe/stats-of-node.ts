// The Envoys of this node → the reader of what they counted per Service.

import type { Frontend } from "../node/types.ts";
import { ServiceStatsReader } from "./service-stats.ts";
import { StatsOfEnvoys, type StatsOfEnvoyTable } from "./stats-of-envoys.ts";
import { envoyUdpStats } from "./udp-stats.ts";

/** The present state: another Envoy may become the active one at any time. */
interface CountingPlanes {
  /** Of the active Envoy, which gets new connections. */
  table: StatsOfEnvoyTable;
  adminSocket: string;
  /** Of the Envoy that it replaced, while that still has connections. */
  drainingTable: StatsOfEnvoyTable | undefined;
}

/** `frontends` as in ServiceStatsOptions. */
export function statsOfNode(
  planes: () => CountingPlanes,
  frontends: () => Iterable<Frontend> | undefined,
): ServiceStatsReader {
  const table = new StatsOfEnvoys({
    present: () => planes().table,
    draining: () => planes().drainingTable,
  });
  const udp = () => envoyUdpStats(planes().adminSocket);
  return new ServiceStatsReader({ table, udp, frontends, now: Date.now });
}
