// Cluster state → the health checks of this node, kept up to date at the cost of what changed.

import type { ClusterState } from "../model/cluster-state.ts";
import type { ObjectKey } from "../model/types.ts";
import { type HealthCheck, healthChecksFrom } from "./service-health.ts";

export class ServiceHealthFollower {
  readonly #state: ClusterState;
  readonly #nodeName: string;
  readonly #serviceProxyName: string | undefined;
  /** Only of Services that have any. */
  readonly #checks = new Map<ObjectKey, HealthCheck[]>();
  readonly #changed = new Set<ObjectKey>();

  constructor(
    state: ClusterState,
    options: { nodeName: string; serviceProxyName: string | undefined },
  ) {
    this.#state = state;
    this.#nodeName = options.nodeName;
    this.#serviceProxyName = options.serviceProxyName;
  }

  /** The Service, or one of its EndpointSlices, changed, appeared or went. */
  markChanged(service: ObjectKey): void {
    this.#changed.add(service);
  }

  /** As of now, sorted by Service. */
  checks(): HealthCheck[] {
    for (const key of this.#changed) this.#recompute(key);
    this.#changed.clear();
    const sorted = [...this.#checks].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.flatMap(([, checks]) => checks);
  }

  #recompute(key: ObjectKey): void {
    const service = this.#state.services.get(key);
    const checks = service
      ? healthChecksFrom(service, this.#state.slicesOf(key), this.#nodeName, this.#serviceProxyName)
      : [];
    if (checks.length > 0) this.#checks.set(key, checks);
    else this.#checks.delete(key);
  }
}
