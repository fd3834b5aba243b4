// All metrics of the controller in one registry, and their text for Prometheus. The plugin's own
// counters (picks, refused frames) are Envoy's: see envoy-metrics.ts.

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { WIRE_VERSION } from "../../plugin/wire/layout.ts";
import type { IPFamily } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import { type EventMetrics, eventMetricsIn } from "./event-metrics.ts";
import { type Figures, PresentMetrics } from "./present-metrics.ts";
import { SyncMetrics } from "./sync-metrics.ts";

/** prom-client measures the event loop with a timer, which by default fires 100 times a second. */
const EVENT_LOOP_SAMPLE_MS = 1_000;

interface MetricsOptions {
  clock: Clock;
  families: readonly IPFamily[];
  version: string;
}

export class Metrics {
  readonly sync: SyncMetrics;
  readonly counted: EventMetrics;
  readonly #registry = new Registry();
  readonly #present: PresentMetrics;
  readonly #health: Record<"healthz" | "livez", Counter<"code">>;

  constructor({ clock, families, version }: MetricsOptions) {
    const registers = [this.#registry];
    this.sync = new SyncMetrics({ registry: this.#registry, clock, families });
    this.counted = eventMetricsIn(this.#registry);
    this.#present = new PresentMetrics(this.#registry);
    const health = (path: string) =>
      new Counter({
        name: `kubeproxy_proxy_${path}_total`,
        help: `Answers of /${path}, by HTTP status`,
        labelNames: ["code"],
        registers,
      });
    this.#health = { healthz: health("healthz"), livez: health("livez") };
    const build = { version, wire_version: String(WIRE_VERSION), node_version: process.version };
    const labelNames = Object.keys(build);
    const help = "1, labelled with what is running";
    new Gauge({ name: "portico_build_info", help, labelNames, registers }).set(build, 1);
    collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  healthAnswered(path: "healthz" | "livez", status: number): void {
    this.#health[path].inc({ code: String(status) });
  }

  /** Returns the text in Prometheus' format. */
  text(figures: Figures): Promise<string> {
    this.#present.show(figures);
    return this.#registry.metrics();
  }
}
