// Cluster state → the health checks of this node, updated at a cost in proportion to what changed.

import type { ClusterState } from "../model/cluster-state.ts";
import { sameData } from "../model/same-data.ts";
import type { ObjectKey } from "../model/types.ts";
import { type HealthCheck, healthChecksFrom } from "./service-health.ts";

export class ServiceHealthFollower {
  readonly #state: ClusterState;
  readonly #nodeName: string;
  readonly #serviceProxyName: string | undefined;
  /** Only Services that have any. */
  readonly #checks = new Map<ObjectKey, HealthCheck[]>();
  readonly #changed = new Set<ObjectKey>();
  #sorted: readonly HealthCheck[] | undefined;

  constructor(
    state: ClusterState,
    options: { nodeName: string; serviceProxyName: string | undefined },
  ) {
    this.#state = state;
    this.#nodeName = options.nodeName;
    this.#serviceProxyName = options.serviceProxyName;
  }

  /** The Service, or one of its EndpointSlices, changed, appeared or was removed. */
  markChanged(service: ObjectKey): void {
    this.#changed.add(service);
  }

  /** Returns the present checks, sorted by Service; the same array while they do not change. */
  checks(): readonly HealthCheck[] {
    for (const key of this.#changed) this.#recompute(key);
    this.#changed.clear();
    this.#sorted ??= [...this.#checks]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, checks]) => checks);
    return this.#sorted;
  }

  #recompute(key: ObjectKey): void {
    const service = this.#state.services.get(key);
    const checks = service
      ? healthChecksFrom(service, this.#state.slicesOf(key), this.#nodeName, this.#serviceProxyName)
      : [];
    if (sameData(checks, this.#checks.get(key) ?? [])) return;
    this.#sorted = undefined;
    if (checks.length > 0) this.#checks.set(key, checks);
    else this.#checks.delete(key);
  }
}
