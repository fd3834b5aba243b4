// EndpointSlices as they change, and the moments when the data plane has them → how long a change
// took from its cause (a Pod became ready) until connections follow it. After kube-proxy
// EndpointsChangeTracker.lastChangeTriggerTimes (1.37). Reads no clock.

import type { EndpointSlice, IPFamily } from "../model/types.ts";

interface Trigger {
  family: IPFamily;
  /** Milliseconds since 1970. */
  at: number;
}

interface Latency {
  family: IPFamily;
  seconds: number;
}

export class ProgrammingLatency {
  readonly #startedAt: number;
  /** By Service and family, so that the end of a slice does not look at all. */
  #waiting = new Map<string, Trigger[]>();
  /** Triggers of the sync under way. */
  #taken: Trigger[] = [];

  /** Ignores triggers from before `startedAt` (milliseconds), which are not this process's. */
  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  /** Notes that a slice changed or appeared; those without the annotation do not count. */
  changed(slice: EndpointSlice): void {
    const { addressType: family, lastChangeTriggerTime: at } = slice;
    if (at <= this.#startedAt) return;
    const key = keyOf(slice);
    const triggers = this.#waiting.get(key);
    if (triggers) triggers.push({ family, at });
    else this.#waiting.set(key, [{ family, at }]);
  }

  /** Its annotation is about its last change, not its end, so its Service is not measured. */
  removed(slice: EndpointSlice): void {
    this.#waiting.delete(keyOf(slice));
  }

  /** A sync starts, with everything that changed so far. */
  begin(): void {
    for (const triggers of this.#waiting.values()) this.#taken.push(...triggers);
    this.#waiting.clear();
  }

  /** The data plane acknowledged that sync. A failed one is left out: the next has its triggers. */
  acknowledged(now: number): Latency[] {
    const taken = this.#taken;
    this.#taken = [];
    return taken.map(({ family, at }) => ({ family, seconds: Math.max(0, now - at) / 1_000 }));
  }
}

function keyOf({ namespace, serviceName, addressType }: EndpointSlice): string {
  return `${addressType} ${namespace}/${serviceName}`;
}
