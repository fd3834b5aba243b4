// What happened to each Service (service-stats.ts) → Prometheus' text. Written by hand, since the
// numbers are totals already, which prom-client's counters and histograms do not accept.
//
// How many series: some 23 for each ServicePort that was ever used, plus its kinds of failures; 5
// more for each backend, where backends are counted.

import {
  STATS_CONNECT_BOUND_0,
  STATS_CONNECT_BOUND_1,
  STATS_CONNECT_BOUND_2,
  STATS_CONNECT_BOUND_3,
  STATS_CONNECT_BOUND_4,
  STATS_DURATION_BOUND_0,
  STATS_DURATION_BOUND_1,
  STATS_DURATION_BOUND_2,
  STATS_DURATION_BOUND_3,
  STATS_DURATION_BOUND_4,
} from "../../plugin/wire/stats-layout.ts";
import { PREFIX, SETTING_NAMES } from "../model/setting-annotations.ts";
import type { Histogram } from "../wire/stats.ts";
import type {
  BackendStats,
  ServicePortName,
  ServiceStats,
  ServiceStatsSnapshot,
  UdpStats,
} from "./service-stats.ts";

/** Seconds, as in the plugin. */
const CONNECT_BOUNDS = [
  STATS_CONNECT_BOUND_0,
  STATS_CONNECT_BOUND_1,
  STATS_CONNECT_BOUND_2,
  STATS_CONNECT_BOUND_3,
  STATS_CONNECT_BOUND_4,
].map((microseconds) => microseconds / 1e6);
const DURATION_BOUNDS = [
  STATS_DURATION_BOUND_0,
  STATS_DURATION_BOUND_1,
  STATS_DURATION_BOUND_2,
  STATS_DURATION_BOUND_3,
  STATS_DURATION_BOUND_4,
].map((milliseconds) => milliseconds / 1e3);

const FAILURES = {
  refused: "refused",
  timedOut: "timeout",
  noBackend: "no_backend",
  other: "other",
} as const;

type Sample = readonly [suffix: string, moreLabels: string, value: number];

interface Metric<Of> {
  name: string;
  type: "counter" | "gauge" | "histogram";
  help: string;
  samples: (of: Of) => readonly Sample[];
}

function single<Of>(value: (of: Of) => number): (of: Of) => readonly Sample[] {
  return (of) => [["", "", value(of)]];
}

/** `what`: "service" or "backend". */
function connectionMetrics(what: string): Metric<ServiceStats>[] {
  return [
    {
      name: `portico_${what}_connections_opened_total`,
      type: "counter",
      help: "Connections that got a backend; TCP only, like all but bytes and datagrams",
      samples: single(({ opened }) => opened),
    },
    {
      name: `portico_${what}_connections_active`,
      type: "gauge",
      help: "Connections with a backend that have not ended",
      samples: single(({ opened, closed }) => Math.max(0, opened - closed)),
    },
    {
      name: `portico_${what}_connections_failed_total`,
      type: "counter",
      help:
        "Connections that got no answer, by reason: the backend refused, a timeout, no_backend, " +
        "other",
      samples: failures,
    },
    {
      name: `portico_${what}_connections_retried_total`,
      type: "counter",
      help: "Connections that a backend accepted after an earlier attempt had failed",
      samples: single(({ retried }) => retried),
    },
  ];
}

type Bytes = Pick<ServiceStats, "receivedBytes" | "sentBytes">;

function byteMetrics(what: string): Metric<Bytes>[] {
  return [
    {
      name: `portico_${what}_received_bytes_total`,
      type: "counter",
      help: "Bytes from clients; of TCP, counted when the connection ends",
      samples: single(({ receivedBytes }) => receivedBytes),
    },
    {
      name: `portico_${what}_sent_bytes_total`,
      type: "counter",
      help: "Bytes to clients; of TCP, counted when the connection ends",
      samples: single(({ sentBytes }) => sentBytes),
    },
  ];
}

/** Leaves out limits that refused nothing. */
function limited({ limited: by }: ServiceStats): Sample[] {
  const limits = [
    [SETTING_NAMES.maxConnections, by.connections],
    [SETTING_NAMES.maxNewConnections, by.newConnections],
  ] as const;
  return limits
    .filter(([, count]) => count > 0)
    .map(([name, count]) => ["", `,limit="${name.slice(PREFIX.length)}"`, count] as const);
}

/** Leaves out failures that never happened. */
function failures({ failed }: ServiceStats): Sample[] {
  const reasons = Object.entries(FAILURES) as [keyof typeof FAILURES, string][];
  return reasons
    .filter(([name]) => failed[name] > 0)
    .map(([name, reason]) => ["", `,reason="${reason}"`, failed[name]] as const);
}

const SERVICE_METRICS: readonly Metric<ServiceStats>[] = [
  ...connectionMetrics("service"),
  {
    name: "portico_service_connections_limited_total",
    type: "counter",
    help: "Connections that a limit of the Service refused on this node, by its annotation's name",
    samples: limited,
  },
  {
    name: "portico_service_connect_duration_seconds",
    type: "histogram",
    help: "Time from the pick of a backend until it accepted the connection; TCP only",
    samples: ({ connect }) => histogramSamples(connect, CONNECT_BOUNDS),
  },
  {
    name: "portico_service_connection_duration_seconds",
    type: "histogram",
    help: "Time from the pick of a backend to the end of the connection; TCP only",
    samples: ({ duration }) => histogramSamples(duration, DURATION_BOUNDS),
  },
];
const SERVICE_BYTES = byteMetrics("service");
const DATAGRAM_METRICS: readonly Metric<UdpStats>[] = [
  {
    name: "portico_service_received_datagrams_total",
    type: "counter",
    help: "UDP datagrams from clients",
    samples: single(({ receivedDatagrams }) => receivedDatagrams),
  },
  {
    name: "portico_service_sent_datagrams_total",
    type: "counter",
    help: "UDP datagrams to clients",
    samples: single(({ sentDatagrams }) => sentDatagrams),
  },
];
const BACKEND_METRICS = [...connectionMetrics("backend"), ...byteMetrics("backend")];

/** Returns none for a histogram without a value, as for UDP. */
function histogramSamples({ buckets, seconds }: Histogram, bounds: readonly number[]): Sample[] {
  let count = 0;
  const samples = buckets.map((more, index): Sample => {
    count += more;
    return ["_bucket", `,le="${bounds[index] ?? "+Inf"}"`, count];
  });
  return count === 0 ? [] : [...samples, ["_sum", "", seconds], ["_count", "", count]];
}

/** Kubernetes names need no escaping. */
function labelsOf({ namespace, service, port, protocol }: ServicePortName): string {
  const labels = `namespace="${namespace}",service="${service}",port="${port}"`;
  return `${labels},protocol="${protocol}"`;
}

function backendLabels(of: BackendStats): string {
  const { address, port } = of.backend;
  const text = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  return `${labelsOf(of)},backend="${text}"`;
}

function* linesOf<Of>(
  metrics: readonly Metric<Of>[],
  all: readonly Of[],
  labels: (of: Of) => string,
): Generator<string> {
  if (all.length === 0) return;
  const labelled = all.map((of) => [of, labels(of)] as const);
  for (const { name, type, help, samples } of metrics) {
    yield `# HELP ${name} ${help}\n# TYPE ${name} ${type}`;
    for (const [of, own] of labelled) {
      for (const [suffix, more, value] of samples(of)) {
        yield `${name}${suffix}{${own}${more}} ${value}`;
      }
    }
  }
}

/** Returns Prometheus' text format; each line ends in a line feed. */
export function serviceMetricsText(snapshot: ServiceStatsSnapshot): string {
  const { services, udp, backends } = snapshot;
  const name = "portico_service_other_connections_opened_total";
  const other =
    `# HELP ${name} Connections not counted per Service: the counters were full\n` +
    `# TYPE ${name} counter\n${name} ${snapshot.other?.opened ?? 0}`;
  const lines = [
    ...linesOf<ServiceStats>(SERVICE_METRICS, services, labelsOf),
    ...linesOf<Bytes & ServicePortName>(SERVICE_BYTES, [...services, ...udp], labelsOf),
    ...linesOf<UdpStats>(DATAGRAM_METRICS, udp, labelsOf),
    ...linesOf<BackendStats>(BACKEND_METRICS, backends, backendLabels),
    other,
  ];
  return `${lines.join("\n")}\n`;
}

/** Returns the present text. When Envoy does not answer, it says only that. */
export async function readServiceMetrics(
  read: () => Promise<ServiceStatsSnapshot>,
): Promise<string> {
  const up = (isUp: 0 | 1) =>
    "# HELP portico_service_metrics_up Whether Envoy reported the counters of Services\n" +
    "# TYPE portico_service_metrics_up gauge\n" +
    `portico_service_metrics_up ${isUp}\n`;
  try {
    return serviceMetricsText(await read()) + up(1);
  } catch {
    return up(0);
  }
}
