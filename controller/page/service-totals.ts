// What was counted per ServicePort → the totals of each Service, for the live page. UDP has bytes
// only: Envoy counts its flows for all Services together.

import type { ObjectKey } from "../model/types.ts";
import type { ServiceStats, ServiceStatsSnapshot, UdpStats } from "../observe/service-stats.ts";
import type { Totals } from "./traffic.ts";

/**
 * Returns undefined when nothing was ever counted although the node had connections: then the
 * plugin does not count.
 */
export function serviceTotals(
  { services, udp, other }: Pick<ServiceStatsSnapshot, "services" | "udp" | "other">,
  node: Totals,
): Map<ObjectKey, Totals> | undefined {
  if (services.length === 0 && !other && node.connections > 0) return undefined;
  const totals = new Map<ObjectKey, Totals>();
  const add = ({ namespace, service }: ServiceStats | UdpStats, more: Totals) => {
    const key = `${namespace}/${service}`;
    totals.set(key, sum(totals.get(key), more));
  };
  for (const stats of services) add(stats, totalsOf(stats));
  for (const stats of udp) {
    const { receivedBytes, sentBytes } = stats;
    add(stats, { connections: 0, openConnections: 0, failures: 0, receivedBytes, sentBytes });
  }
  return totals;
}

function totalsOf({ opened, closed, failed, limited, ...bytes }: ServiceStats): Totals {
  const { refused, timedOut, noBackend, other } = failed;
  const { receivedBytes, sentBytes } = bytes;
  const byLimits = limited.connections + limited.newConnections;
  return {
    connections: opened + noBackend + byLimits,
    openConnections: Math.max(0, opened - closed),
    failures: refused + timedOut + noBackend + other + byLimits,
    receivedBytes,
    sentBytes,
  };
}

function sum(a: Totals | undefined, b: Totals): Totals {
  if (!a) return b;
  return {
    connections: a.connections + b.connections,
    openConnections: a.openConnections + b.openConnections,
    failures: a.failures + b.failures,
    receivedBytes: a.receivedBytes + b.receivedBytes,
    sentBytes: a.sentBytes + b.sentBytes,
  };
}
