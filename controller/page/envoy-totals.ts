// What Envoy counted for all TCP connections to Services, read from its admin interface: the totals
// of this node, for the live page.

import { askAdmin } from "../../envoy/admin.ts";
import type { Totals } from "./traffic.ts";

/** Of controller/xds/resources.ts: the tcp_proxy's stat_prefix, and the cluster of all backends. */
const NAMES = {
  connections: "tcp.portico.downstream_cx_total",
  receivedBytes: "tcp.portico.downstream_cx_rx_bytes_total",
  sentBytes: "tcp.portico.downstream_cx_tx_bytes_total",
  openConnections: "cluster.backends.upstream_cx_active",
  failures: "cluster.backends.upstream_cx_connect_fail",
} as const;

const PATIENCE_MS = 2_000;

/** Rejects when Envoy does not answer. What it has not counted yet is 0. */
export async function envoyTotals(adminSocket: string): Promise<Totals> {
  const names = Object.values(NAMES).join("|").replaceAll(".", "\\.");
  const path = `/stats?filter=${encodeURIComponent(`^(${names})$`)}`;
  const { body } = await askAdmin(adminSocket, path, PATIENCE_MS);
  const counted = new Map(body.split("\n").map((line) => line.split(": ", 2) as [string, string]));
  const value = (name: keyof Totals) => Number(counted.get(NAMES[name]) ?? 0);
  return {
    connections: value("connections"),
    openConnections: value("openConnections"),
    failures: value("failures"),
    receivedBytes: value("receivedBytes"),
    sentBytes: value("sentBytes"),
  };
}
