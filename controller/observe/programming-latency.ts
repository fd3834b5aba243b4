// EndpointSlices as they change, and the moments when the data plane has them → how long a change
// took from its cause (a Pod became ready) to connections that obey it. After kube-proxy
// EndpointsChangeTracker.lastChangeTriggerTimes (1.37). No clock of its own.

import type { EndpointSlice, IPFamily, ObjectKey } from "../model/types.ts";

interface Trigger {
  family: IPFamily;
  service: ObjectKey;
  /** Milliseconds since 1970. */
  at: number;
}

export interface Latency {
  family: IPFamily;
  seconds: number;
}

export class ProgrammingLatency {
  readonly #startedAt: number;
  #waiting: Trigger[] = [];
  /** Of the sync under way. */
  #taken: Trigger[] = [];

  /** Triggers from before `startedAt` (milliseconds) say nothing about us, and are left out. */
  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  /** A slice changed or appeared; those without the annotation do not count. */
  changed(slice: EndpointSlice): void {
    const { addressType: family, lastChangeTriggerTime: at } = slice;
    if (at <= this.#startedAt) return;
    this.#waiting.push({ family, service: serviceOf(slice), at });
  }

  /** Its annotation tells of its last change, not of its end, so its Service is not measured. */
  removed(slice: EndpointSlice): void {
    const { addressType } = slice;
    const service = serviceOf(slice);
    this.#waiting = this.#waiting.filter((each) => {
      return each.family !== addressType || each.service !== service;
    });
  }

  /** A sync takes in what changed so far. */
  begin(): void {
    this.#taken.push(...this.#waiting);
    this.#waiting = [];
  }

  /** The data plane acknowledged that sync. A failed one is left out: the next has its triggers. */
  acknowledged(now: number): Latency[] {
    const taken = this.#taken;
    this.#taken = [];
    return taken.map(({ family, at }) => ({ family, seconds: Math.max(0, now - at) / 1_000 }));
  }
}

function serviceOf({ namespace, serviceName }: EndpointSlice): ObjectKey {
  return `${namespace}/${serviceName}`;
}
