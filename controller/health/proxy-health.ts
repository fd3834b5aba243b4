// When changes were queued and when they were programmed → whether this node's proxy is healthy,
// in the words of kube-proxy's /healthz and /livez (pkg/proxy/healthcheck/proxy_health.go, 1.37).
// State and a clock; no I/O.

import type { IPFamily, Node } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";

/** The cluster autoscaler sets it on a node that it is about to remove (KEP-3836). */
const TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler";

/** Go's zero time. */
const NEVER = "0001-01-01T00:00:00Z";

interface ProxyHealthOptions {
  clock: Clock;
  /** Changes that wait longer than this make it unhealthy; kube-proxy has 2 × syncPeriod. */
  timeoutMs: number;
  /** As in the answers; Portico programs them together. */
  families: readonly IPFamily[];
}

export interface HealthAnswer {
  healthy: boolean;
  /** JSON, with kube-proxy's fields in its order. */
  body: string;
}

/** Healthy until the first call of `updated`, and while nothing is queued. */
export class ProxyHealth {
  readonly #options: ProxyHealthOptions;
  #lastUpdated: number | undefined;
  #oldestQueued: number | undefined;

  constructor(options: ProxyHealthOptions) {
    this.#options = options;
  }

  /** Notes that there is something to program. Cheap; call it for every event. */
  queued(): void {
    this.#oldestQueued ??= this.#options.clock.now();
  }

  /**
   * Notes that everything is programmed. Call it once when syncing starts: the watch starts then.
   */
  updated(): void {
    this.#lastUpdated = this.#options.clock.now();
    this.#oldestQueued = undefined;
  }

  isHealthy(): boolean {
    if (this.#lastUpdated === undefined || this.#oldestQueued === undefined) return true;
    return this.#options.clock.now() - this.#oldestQueued < this.#options.timeoutMs;
  }

  /** For load balancers that check nodes: also unhealthy when the node is about to be removed. */
  healthz(nodeEligible: boolean): HealthAnswer {
    return this.#answer(this.isHealthy() && nodeEligible, { nodeEligible });
  }

  /** For the kubelet: a restart does not help a node that is about to be removed. */
  livez(): HealthAnswer {
    return this.#answer(this.isHealthy(), {});
  }

  /** A healthy answer has the present time as its last update: clients expect a recent time. */
  #answer(healthy: boolean, eligibility: { nodeEligible?: boolean }): HealthAnswer {
    const currentTime = timeText(this.#options.clock.now());
    const isUpToDate = this.isHealthy();
    const lastUpdated = this.#lastUpdated === undefined ? NEVER : timeText(this.#lastUpdated);
    const families = this.#lastUpdated === undefined ? [] : this.#options.families;
    const status = families.map((family) => [family, { lastUpdated, healthy: isUpToDate }]);
    const body = JSON.stringify({
      lastUpdated: healthy ? currentTime : lastUpdated,
      currentTime,
      ...eligibility,
      healthy: isUpToDate,
      ...(status.length > 0 && { status: Object.fromEntries(status) }),
    });
    return { healthy, body };
  }
}

/** `node` is undefined when there is no Node object of this node's name. */
export function isNodeEligible(node: Node | undefined): boolean {
  return node !== undefined && !node.deleting && !node.taintKeys.includes(TO_BE_DELETED_TAINT);
}

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
