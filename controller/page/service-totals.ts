// What was counted per ServicePort → the totals of each Service, for the live page. UDP has bytes
// only: Envoy counts its flows for all Services together.

import type { ObjectKey } from "../model/types.ts";
import type {
  ServiceCounters,
  ServiceCountersSnapshot,
  UdpCounters,
} from "../observe/service-counters.ts";
import type { Totals } from "./traffic.ts";

/**
 * Undefined when nothing was ever counted although the node had connections: then the plugin is one
 * that does not count.
 */
export function serviceTotals(
  { services, udp, other }: Pick<ServiceCountersSnapshot, "services" | "udp" | "other">,
  node: Totals,
): Map<ObjectKey, Totals> | undefined {
  if (services.length === 0 && !other && node.connections > 0) return undefined;
  const totals = new Map<ObjectKey, Totals>();
  const add = ({ namespace, service }: ServiceCounters | UdpCounters, more: Totals) => {
    const key = `${namespace}/${service}`;
    totals.set(key, sum(totals.get(key), more));
  };
  for (const counters of services) add(counters, totalsOf(counters));
  for (const counters of udp) {
    const { receivedBytes, sentBytes } = counters;
    add(counters, { connections: 0, openConnections: 0, failures: 0, receivedBytes, sentBytes });
  }
  return totals;
}

function totalsOf({ opened, closed, failed, receivedBytes, sentBytes }: ServiceCounters): Totals {
  const { refused, timedOut, noBackend, other } = failed;
  return {
    connections: opened + noBackend,
    openConnections: Math.max(0, opened - closed),
    failures: refused + timedOut + noBackend + other,
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
