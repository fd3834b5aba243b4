// What happens during a sync → kube-proxy's metrics of the same meaning, under its names and with
// its buckets (pkg/proxy/metrics/metrics.go, 1.37), so that dashboards and alerts keep working.
// Portico programs both families in one sync: each gets the same observation.

import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { EndpointSlice, IPFamily, Kind, KindTypes } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import { ProgrammingLatency } from "./programming-latency.ts";

/** 1 ms, 2 ms, 4 ms … 16 s. */
const SYNC_BUCKETS = Array.from({ length: 15 }, (_, index) => 0.001 * 2 ** index);

/** 0 (not in its source, but there), 0.25 s, 0.5 s; every second to 59, 5 to 115, 30 to 300. */
const PROGRAMMING_BUCKETS = [
  0,
  0.25,
  0.5,
  ...Array.from({ length: 59 }, (_, index) => 1 + index),
  ...Array.from({ length: 12 }, (_, index) => 60 + 5 * index),
  ...Array.from({ length: 7 }, (_, index) => 120 + 30 * index),
];

interface SyncMetricsOptions {
  registry: Registry;
  clock: Clock;
  families: readonly IPFamily[];
}

export class SyncMetrics {
  readonly #clock: Clock;
  readonly #families: readonly IPFamily[];
  readonly #latency: ProgrammingLatency;
  readonly #metrics: ReturnType<typeof metricsIn>;

  constructor({ registry, clock, families }: SyncMetricsOptions) {
    this.#clock = clock;
    this.#families = families;
    this.#latency = new ProgrammingLatency(clock.now());
    this.#metrics = metricsIn(registry);
    for (const family of families) {
      this.#metrics.nftablesFailures.inc({ ip_family: family }, 0);
    }
  }

  /** An object of the cluster appeared (no `before`), changed, or was removed (no `after`). */
  changed<K extends Kind>(kind: K, before?: KindTypes[K], after?: KindTypes[K]): void {
    const { serviceChanges, servicesPending, sliceChanges, slicesPending } = this.#metrics;
    if (kind === "Service") {
      serviceChanges.inc();
      servicesPending.inc();
    } else if (kind === "EndpointSlice") {
      sliceChanges.inc();
      slicesPending.inc();
      if (after) this.#latency.changed(after as EndpointSlice);
      else if (before) this.#latency.removed(before as EndpointSlice);
    }
  }

  /** A sync was requested. */
  queued(): void {
    this.#forEachFamily((ip_family) => this.#metrics.lastQueued.set({ ip_family }, this.#now()));
  }

  /** A sync starts, with all changes so far. */
  began(): void {
    this.#metrics.servicesPending.set(0);
    this.#metrics.slicesPending.set(0);
    this.#latency.begin();
  }

  /** The data plane acknowledged it. `full`: it also looked for what others changed. */
  succeeded(durationSeconds: number, full: boolean): void {
    const { duration, fullDuration, partialDuration, lastSync, programming } = this.#metrics;
    this.#forEachFamily((ip_family) => {
      duration.observe({ ip_family }, durationSeconds);
      (full ? fullDuration : partialDuration).observe({ ip_family }, durationSeconds);
      lastSync.set({ ip_family }, this.#now());
    });
    for (const { family, seconds } of this.#latency.acknowledged(this.#clock.now())) {
      programming.observe({ ip_family: family }, seconds);
    }
  }

  failed(error: unknown): void {
    const { failures, nftablesFailures } = this.#metrics;
    const step = stepOf(error);
    failures.inc({ step });
    if (step === "kernel") this.#forEachFamily((ip_family) => nftablesFailures.inc({ ip_family }));
  }

  #now(): number {
    return this.#clock.now() / 1_000;
  }

  #forEachFamily(act: (family: IPFamily) => void): void {
    for (const family of this.#families) act(family);
  }
}

/** Returns the step by the errors of controller/capture, controller/table and controller/xds. */
function stepOf(error: unknown): "kernel" | "table" | "envoy" | "other" {
  const name = error instanceof Error ? error.name : "";
  if (name === "NftError" || name === "RoutingError") return "kernel";
  if (name === "TableError") return "table";
  return name.startsWith("Xds") ? "envoy" : "other";
}

function metricsIn(registry: Registry) {
  const registers = [registry];
  const perFamily = (name: string, help: string) => ({
    name: `kubeproxy_${name}`,
    help,
    labelNames: ["ip_family"],
    registers,
  });
  const single = (name: string, help: string) => ({ name: `kubeproxy_${name}`, help, registers });
  const duration = (name: string, help: string) =>
    new Histogram({ ...perFamily(name, help), buckets: SYNC_BUCKETS });
  return {
    duration: duration("sync_proxy_rules_duration_seconds", "Duration of one sync in seconds"),
    fullDuration: duration(
      "sync_full_proxy_rules_duration_seconds",
      "Duration of one full sync, which also looks for external changes, in seconds",
    ),
    partialDuration: duration(
      "sync_partial_proxy_rules_duration_seconds",
      "Duration of one partial sync, in seconds",
    ),
    programming: new Histogram({
      ...perFamily(
        "network_programming_duration_seconds",
        "Time from the cause of an EndpointSlice's change to the data plane's acknowledgement",
      ),
      buckets: PROGRAMMING_BUCKETS,
    }),
    lastSync: new Gauge(
      perFamily("sync_proxy_rules_last_timestamp_seconds", "Time of the last successful sync"),
    ),
    lastQueued: new Gauge(
      perFamily(
        "sync_proxy_rules_last_queued_timestamp_seconds",
        "Time of the last request for a sync",
      ),
    ),
    servicesPending: new Gauge(
      single("sync_proxy_rules_service_changes_pending", "Changes of Services not synced yet"),
    ),
    serviceChanges: new Counter(
      single("sync_proxy_rules_service_changes_total", "Changes of Services seen"),
    ),
    slicesPending: new Gauge(
      single(
        "sync_proxy_rules_endpoint_changes_pending",
        "Changes of EndpointSlices not synced yet",
      ),
    ),
    sliceChanges: new Counter(
      single("sync_proxy_rules_endpoint_changes_total", "Changes of EndpointSlices seen"),
    ),
    nftablesFailures: new Counter(
      perFamily(
        "sync_proxy_rules_nftables_sync_failures_total",
        "Syncs that failed in the kernel: nftables, routes or rules",
      ),
    ),
    failures: new Counter({
      name: "portico_sync_failures_total",
      help: "Syncs that failed, by step: table, envoy, kernel, other",
      labelNames: ["step"],
      registers,
    }),
  };
}
