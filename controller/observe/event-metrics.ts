// What Portico counts as it happens, in addition to kube-proxy's metrics: portico_*.

import { Counter, Histogram, type Registry } from "prom-client";

/** How to add one: name it here with its labels, and count it in the code where it happens. */
export function eventMetricsIn(registry: Registry) {
  const counter = <T extends string>(name: string, help: string, ...labelNames: T[]) =>
    new Counter<T>({ name: `portico_${name}`, help, labelNames, registers: [registry] });
  return {
    tablePushes: counter("table_pushes_total", "Pushes that Envoy acknowledged, by kind", "kind"),
    tablePushBytes: counter("table_push_bytes_total", "Bytes of records pushed, by kind", "kind"),
    tablePushSeconds: new Histogram({
      name: "portico_table_push_duration_seconds",
      help: "Time from the first frame of a push to the acknowledgement of its last, by kind",
      labelNames: ["kind"],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [registry],
    }),
    tablePushFailures: counter(
      "table_push_failures_total",
      "Pushes that failed: refused, conflict, limit, unreachable",
      "code",
    ),
    xdsAcks: counter("xds_acks_total", "Configurations that an Envoy accepted, by type", "type"),
    xdsNacks: counter("xds_nacks_total", "Configurations that an Envoy rejected, by type", "type"),
    envoyRestarts: counter("envoy_restarts_total", "Unexpected exits of the supervised Envoy"),
    envoyHangs: counter("envoy_hangs_total", "Times that the supervised Envoy hung and was killed"),
    repairs: counter(
      "repairs_total",
      "Repairs of what other processes had changed, by part: nftables, routing, sysctl",
      "part",
    ),
    events: counter(
      "events_total",
      "Events: written, shared (another node wrote it), dropped (over the rate), failed",
      "outcome",
    ),
  };
}

export type EventMetrics = ReturnType<typeof eventMetricsIn>;
