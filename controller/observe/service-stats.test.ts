import { expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Frontend } from "../node/types.ts";
import { serviceIdOf } from "../wire/service-id.ts";
import type { Counters, StatsEntry } from "../wire/stats.ts";
import { readServiceMetrics, serviceMetricsText } from "./service-metrics.ts";
import { ServiceStatsReader } from "./service-stats.ts";
import { envoyUdpStatsFrom } from "./udp-stats.ts";

const COUNTERS: Counters = {
  opened: 5,
  closed: 3,
  receivedBytes: 10,
  sentBytes: 20,
  failed: { refused: 1, timedOut: 0, noBackend: 2, other: 0 },
  limited: { connections: 2, newConnections: 0 },
  retried: 4,
  connect: { buckets: [1, 1, 0, 0, 0, 0], seconds: 0.004 },
  duration: { buckets: [0, 0, 0, 0, 0, 3], seconds: 300 },
};

function frontend(own: Partial<Frontend> = {}): Frontend {
  return {
    key: "10.96.0.1:80/TCP",
    family: "IPv4",
    address: "10.96.0.1",
    port: 80,
    protocol: "TCP",
    kind: "ClusterIP",
    namespace: "shop",
    service: "web",
    portName: "http",
    verdict: "keep",
    localBackends: [],
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
    backends: [{ address: "10.1.0.1", port: 8080, local: true }],
    ...own,
  };
}

function entry(of: Frontend | string, backend?: StatsEntry["backend"]): StatsEntry {
  const serviceId = typeof of === "string" ? of : serviceIdOf(of);
  const keyBytes = Buffer.from(`${serviceId}${backend?.address ?? ""}`);
  return { serviceId, backend, counters: COUNTERS, keyBytes };
}

const UDP_STATS = `
cluster.udp/shop/dns/dns-udp/IPv4/internal.udp.sess_rx_datagrams: 3
cluster.udp/shop/dns/dns-udp/IPv6/internal.udp.sess_rx_datagrams: 4
cluster.udp/shop/dns/dns-udp/IPv4/internal.upstream_cx_tx_bytes_total: 90
cluster.udp/shop/dns//IPv4/external/affinity.upstream_cx_rx_bytes_total: 5
cluster.udp/shop/gone/x/IPv4/internal.udp.sess_tx_datagrams: 9
cluster.backends.upstream_cx_rx_bytes_total: 77
`;

function readerOf(entries: StatsEntry[] | undefined, frontends: Frontend[] | undefined) {
  const forgotten: string[] = [];
  const asked = { count: 0 };
  const table = {
    stats: async () => {
      asked.count++;
      return entries;
    },
    forgetStats: async (keys: readonly Uint8Array[]) => {
      forgotten.push(...keys.map((key) => Buffer.from(key).toString()));
    },
  };
  const reader = new ServiceStatsReader({
    table,
    udp: async () => envoyUdpStatsFrom(UDP_STATS),
    frontends: () => frontends,
    now: () => 7,
  });
  return { reader, forgotten, asked };
}

it("joins numbers and names, and leaves out what is gone", async () => {
  const web = frontend();
  const plain = frontend({ portName: "", kind: "NodePort", port: 30080, service: "plain" });
  const plainIP = { ...plain, kind: "ClusterIP" as const, port: 81 };
  const gone = { address: "10.1.0.9", port: 8080 };
  const { reader, forgotten } = readerOf(
    [
      ...[entry(web), entry(web, { address: "10.1.0.1", port: 8080 }), entry(web, gone)],
      ...[entry(plain), entry("0123456789abcdef"), entry("0".repeat(16)), entry("0".repeat(16))],
    ],
    [web, plain, plainIP],
  );
  const { atMilliseconds, services, backends, other } = await reader.read();
  expect(atMilliseconds).toBe(7);
  expect(services).toEqual([
    { namespace: "shop", service: "web", port: "http", protocol: "TCP", ...COUNTERS },
    { namespace: "shop", service: "plain", port: "81", protocol: "TCP", ...COUNTERS },
  ]);
  expect(backends.map(({ backend }) => backend)).toEqual([{ address: "10.1.0.1", port: 8080 }]);
  expect(other).toMatchObject({ opened: 10, failed: { noBackend: 4 } });
  expect(other?.connect.buckets).toEqual([2, 2, 0, 0, 0, 0]);
  expect(forgotten).toEqual([]);
});

it("has the plugin forget what is gone when that is asked for, once for all who ask", async () => {
  const web = frontend();
  const gone = { address: "10.1.0.9", port: 8080 };
  const { reader, forgotten } = readerOf(
    [entry(web), entry(web, gone), entry("0123456789abcdef"), entry("0".repeat(16))],
    [web],
  );
  const [snapshot] = await Promise.all([
    reader.readAndForgetGone(),
    reader.read(),
    reader.readAndForgetGone(),
  ]);
  expect(snapshot.services).toHaveLength(1);
  expect(forgotten).toEqual([`${serviceIdOf(web)}10.1.0.9`, "0123456789abcdef"]);
});

it("forgets nothing while it does not know what there is", async () => {
  const { reader, forgotten } = readerOf([entry("0123456789abcdef")], undefined);
  expect((await reader.readAndForgetGone()).services).toEqual([]);
  expect(forgotten).toEqual([]);
});

it("asks Envoy once for all who ask at the same time", async () => {
  const { reader, asked } = readerOf([], []);
  await Promise.all([reader.read(), reader.read(), reader.read()]);
  expect(asked.count).toBe(1);
  await reader.read();
  expect(asked.count).toBe(2);
});

it("is nothing with a plugin that counts nothing", async () => {
  const { reader } = readerOf(undefined, [frontend()]);
  expect((await reader.read()).services).toEqual([]);
});

it("has bytes and datagrams of UDP from Envoy, of all clusters of a port", async () => {
  const dns = frontend({ service: "dns", portName: "dns-udp", protocol: "UDP" });
  const plain = frontend({ service: "dns", portName: "", protocol: "UDP", port: 5353 });
  const { reader } = readerOf([], [dns, plain]);
  const snapshot = await reader.read();
  const none = { receivedBytes: 0, sentBytes: 0, receivedDatagrams: 0, sentDatagrams: 0 };
  const name = { namespace: "shop", service: "dns", protocol: "UDP" };
  expect(snapshot.udp).toEqual([
    { ...name, port: "dns-udp", ...none, receivedBytes: 90, sentDatagrams: 7 },
    { ...name, port: "5353", ...none, sentBytes: 5 },
  ]);
  const labels = 'namespace="shop",service="dns",port="dns-udp",protocol="UDP"';
  const lines = serviceMetricsText(snapshot).split("\n");
  expect(lines).toContain(`portico_service_received_bytes_total{${labels}} 90`);
  expect(lines).toContain(`portico_service_sent_datagrams_total{${labels}} 7`);
  expect(lines.some((line) => line.startsWith("portico_service_conn"))).toBe(false);
});

it("is Prometheus' text", async () => {
  const web = frontend();
  const { reader } = readerOf([entry(web), entry(web, { address: "10.1.0.1", port: 8080 })], [web]);
  const lines = serviceMetricsText(await reader.read()).split("\n");
  const labels = 'namespace="shop",service="web",port="http",protocol="TCP"';
  const own = lines.filter((line) => line.startsWith("portico_service_con"));
  expect(own).toEqual([
    `portico_service_connections_opened_total{${labels}} 5`,
    `portico_service_connections_active{${labels}} 2`,
    `portico_service_connections_failed_total{${labels},reason="refused"} 1`,
    `portico_service_connections_failed_total{${labels},reason="no_backend"} 2`,
    `portico_service_connections_retried_total{${labels}} 4`,
    `portico_service_connections_limited_total{${labels},limit="max-connections"} 2`,
    `portico_service_connect_duration_seconds_bucket{${labels},le="0.001"} 1`,
    `portico_service_connect_duration_seconds_bucket{${labels},le="0.005"} 2`,
    `portico_service_connect_duration_seconds_bucket{${labels},le="0.025"} 2`,
    `portico_service_connect_duration_seconds_bucket{${labels},le="0.1"} 2`,
    `portico_service_connect_duration_seconds_bucket{${labels},le="1"} 2`,
    `portico_service_connect_duration_seconds_bucket{${labels},le="+Inf"} 2`,
    `portico_service_connect_duration_seconds_sum{${labels}} 0.004`,
    `portico_service_connect_duration_seconds_count{${labels}} 2`,
    `portico_service_connection_duration_seconds_bucket{${labels},le="0.01"} 0`,
    `portico_service_connection_duration_seconds_bucket{${labels},le="0.1"} 0`,
    `portico_service_connection_duration_seconds_bucket{${labels},le="1"} 0`,
    `portico_service_connection_duration_seconds_bucket{${labels},le="10"} 0`,
    `portico_service_connection_duration_seconds_bucket{${labels},le="60"} 0`,
    `portico_service_connection_duration_seconds_bucket{${labels},le="+Inf"} 3`,
    `portico_service_connection_duration_seconds_sum{${labels}} 300`,
    `portico_service_connection_duration_seconds_count{${labels}} 3`,
  ]);
  expect(lines).toContain(`portico_backend_sent_bytes_total{${labels},backend="10.1.0.1:8080"} 20`);
  expect(lines.at(-1)).toBe("");
});

it("says when Envoy does not answer, and nothing else", async () => {
  const { reader } = readerOf([], []);
  expect(await readServiceMetrics(() => reader.read())).toContain("portico_service_metrics_up 1\n");
  const text = await readServiceMetrics(() => Promise.reject(new Error("no Envoy")));
  expect(text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))).toEqual([
    "portico_service_metrics_up 0",
  ]);
});
