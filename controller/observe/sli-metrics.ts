// The results of health checks, under the names that all Kubernetes components use (/metrics/slis;
// component-base/metrics/prometheus/slis).

import { Counter, Gauge, Registry } from "prom-client";
import type { Answer } from "../http/answer.ts";

export class SliMetrics {
  readonly #registry = new Registry();
  readonly #last: Gauge<"name" | "type">;
  readonly #total: Counter<"name" | "type" | "status">;

  /** `startedAt`: milliseconds since 1970. */
  constructor(startedAt: number) {
    const registers = [this.#registry];
    new Gauge({
      name: "process_start_time_seconds",
      help: "Start time of the process since unix epoch in seconds.",
      registers,
    }).set(startedAt / 1_000);
    this.#last = new Gauge({
      name: "kubernetes_healthcheck",
      help: "This metric records the result of a single healthcheck.",
      labelNames: ["name", "type"],
      registers,
    });
    this.#total = new Counter({
      name: "kubernetes_healthchecks_total",
      help: "This metric records the results of all healthcheck.",
      labelNames: ["name", "type", "status"],
      registers,
    });
  }

  /** `type`: the requested path, "healthz". */
  observe(name: string, type: string, isSuccess: boolean): void {
    this.#last.set({ name, type }, isSuccess ? 1 : 0);
    this.#total.inc({ name, type, status: isSuccess ? "success" : "error" });
  }

  async answer(): Promise<Answer> {
    const body = await this.#registry.metrics();
    return { status: 200, type: this.#registry.contentType, body };
  }
}
