// What Envoy counted for the UDP clusters (controller/xds/udp-target.ts names them) → bytes and
// datagrams of each UDP ServicePort. Envoy counts flows only for all Services together.

import { askAdmin } from "../../envoy/admin.ts";

/** Totals since its clusters were made, over all of them: both families, each list. */
export interface EnvoyUdpStats {
  namespace: string;
  service: string;
  /** Empty where the port has no name. */
  portName: string;
  /** From clients, to clients. */
  receivedBytes: number;
  sentBytes: number;
  receivedDatagrams: number;
  sentDatagrams: number;
}

/** Envoy's words take the other side: what goes to the cluster came from a client. */
const NAMES: Readonly<Record<string, keyof EnvoyUdpStats>> = {
  upstream_cx_tx_bytes_total: "receivedBytes",
  upstream_cx_rx_bytes_total: "sentBytes",
  "udp.sess_tx_datagrams": "receivedDatagrams",
  "udp.sess_rx_datagrams": "sentDatagrams",
};

const PATIENCE_MS = 5_000;

/** Returns totals of those that were used. Rejects when Envoy does not answer. */
export async function envoyUdpStats(adminSocket: string): Promise<EnvoyUdpStats[]> {
  const names = Object.keys(NAMES).join("|").replaceAll(".", "\\.");
  const filter = `^cluster\\.udp/.*\\.(${names})$`;
  const path = `/stats?usedonly&filter=${encodeURIComponent(filter)}`;
  const { body } = await askAdmin(adminSocket, path, PATIENCE_MS);
  return envoyUdpStatsFrom(body);
}

/** "cluster.udp/shop/dns/dns-udp/IPv4/internal.udp.sess_rx_datagrams: 30" */
const LINE = /^cluster\.udp\/([^/]+)\/([^/]+)\/([^/]*)\/[^.]+\.([a-z_.]+): (\d+)$/;

/**
 * Adds up what Envoy's /stats printed, per Service port. Ignores other statistics; the order is
 * that of the first line of each.
 */
export function envoyUdpStatsFrom(text: string): EnvoyUdpStats[] {
  const all = new Map<string, EnvoyUdpStats>();
  for (const line of text.split("\n")) {
    const [, namespace = "", service = "", portName = "", name = "", value] = LINE.exec(line) ?? [];
    const field = NAMES[name];
    if (field === undefined) continue;
    const key = `${namespace}/${service}/${portName}`;
    const none = { receivedBytes: 0, sentBytes: 0, receivedDatagrams: 0, sentDatagrams: 0 };
    const totals = all.get(key) ?? { namespace, service, portName, ...none };
    all.set(key, { ...totals, [field]: (totals[field] as number) + Number(value) });
  }
  return [...all.values()];
}
