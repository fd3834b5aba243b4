// What Envoy counted of the UDP clusters (controller/xds/udp-target.ts names them) → bytes and
// datagrams of each UDP ServicePort. Envoy counts flows for all Services together only.

import { askAdmin } from "../../envoy/admin.ts";

/** Totals since its clusters were made, of all of them: both families, each list. */
export interface UdpTotals {
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

/** Envoy's words are seen from the other side: what goes to the cluster came from a client. */
const NAMES: Readonly<Record<string, keyof UdpTotals>> = {
  upstream_cx_tx_bytes_total: "receivedBytes",
  upstream_cx_rx_bytes_total: "sentBytes",
  "udp.sess_tx_datagrams": "receivedDatagrams",
  "udp.sess_rx_datagrams": "sentDatagrams",
};

const PATIENCE_MS = 5_000;

/** Of those that were used. Rejects when Envoy does not answer. */
export async function udpTotals(adminSocket: string): Promise<UdpTotals[]> {
  const names = Object.keys(NAMES).join("|").replaceAll(".", "\\.");
  const filter = `^cluster\\.udp/.*\\.(${names})$`;
  const path = `/stats?usedonly&filter=${encodeURIComponent(filter)}`;
  const { body } = await askAdmin(adminSocket, path, PATIENCE_MS);
  return udpTotalsFromStats(body);
}

/** "cluster.udp/shop/dns/dns-udp/IPv4/internal.udp.sess_rx_datagrams: 30" */
const LINE = /^cluster\.udp\/([^/]+)\/([^/]+)\/([^/]*)\/[^.]+\.([a-z_.]+): (\d+)$/;

export function udpTotalsFromStats(text: string): UdpTotals[] {
  const all = new Map<string, UdpTotals>();
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
