// Conditions of Services, as they come and go → an Event for each that lasts. A new Service waits
// for its Pods and a rolling update for its next ones, so a condition is reported only after a
// grace time, and one that ended is forgotten. Reads the state, changes nothing.

import type { ClusterState } from "../model/cluster-state.ts";
import type { ObjectKey, Service } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import type { EventNote } from "./events.ts";
import { type ServiceCondition, serviceConditions } from "./service-conditions.ts";

interface ServiceEventsOptions {
  state: ClusterState;
  /** Whether this proxy serves it. */
  isServed: (service: Service) => boolean;
  /** A condition is reported between this long and twice this long after it appeared. */
  graceMs: number;
  clock: Clock;
  /** Numbers from 0 up to 1: nodes must not all report at the same time. */
  random: () => number;
  record: (event: EventNote) => void;
}

/** Reports this many at once, then none for the pace: the recorder drops what exceeds its rate. */
const AT_ONCE = 10;
const PACE_MS = 10_000;

interface Standing {
  condition: ServiceCondition;
  dueAt: number;
  isTold: boolean;
}

export class ServiceEvents {
  readonly #options: ServiceEventsOptions;
  readonly #changed = new Set<ObjectKey>();
  /** The Services that have conditions; their conditions by message. */
  readonly #standing = new Map<ObjectKey, Map<string, Standing>>();
  #cancelTimer: (() => void) | undefined;
  /** When the first is due that is not reported; it may have ended meanwhile. */
  #firstDue = Number.POSITIVE_INFINITY;
  /** Nothing is reported before this time. */
  #pacedUntil = 0;
  #stopped = false;

  constructor(options: ServiceEventsOptions) {
    this.#options = options;
  }

  markChanged(service: ObjectKey): void {
    this.#changed.add(service);
  }

  /** Checks what changed. Call it only when all kinds are synced. */
  update(): void {
    const before = this.#firstDue;
    for (const key of this.#changed) this.#look(key);
    this.#changed.clear();
    if (this.#firstDue < before) this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  #look(key: ObjectKey): void {
    const { state, isServed, clock, graceMs, random } = this.#options;
    const service = state.services.get(key);
    const conditions =
      service && isServed(service) ? serviceConditions(service, state.slicesOf(key)) : [];
    const before = this.#standing.get(key);
    const now = new Map<string, Standing>();
    for (const condition of conditions) {
      const dueAt = clock.now() + graceMs * (1 + random());
      const standing = before?.get(condition.message);
      now.set(condition.message, standing ?? { condition, dueAt, isTold: false });
      if (!standing) this.#firstDue = Math.min(this.#firstDue, dueAt);
    }
    if (now.size > 0) this.#standing.set(key, now);
    else this.#standing.delete(key);
  }

  /** Sets the timer for the first that is due. */
  #schedule(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#stopped || this.#firstDue === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#options;
    const delayMs = Math.max(this.#firstDue, this.#pacedUntil) - clock.now();
    this.#cancelTimer = clock.after(Math.max(delayMs, 0), () => this.#tellDue());
  }

  *#untold(): Generator<[ObjectKey, Standing]> {
    for (const [key, all] of this.#standing) {
      for (const standing of all.values()) if (!standing.isTold) yield [key, standing];
    }
  }

  #tellDue(): void {
    const { clock, state, record } = this.#options;
    const now = clock.now();
    let room = AT_ONCE;
    for (const [key, standing] of this.#untold()) {
      if (standing.dueAt > now || room === 0) continue;
      room -= 1;
      standing.isTold = true;
      const service = state.services.get(key);
      if (service) record(noteFrom(service, standing.condition));
    }
    this.#pacedUntil = room === 0 ? now + PACE_MS : 0;
    this.#firstDue = Number.POSITIVE_INFINITY;
    for (const [, { dueAt }] of this.#untold()) this.#firstDue = Math.min(this.#firstDue, dueAt);
    this.#schedule();
  }
}

function noteFrom({ namespace, name, uid }: Service, condition: ServiceCondition): EventNote {
  const { reason, message } = condition;
  return {
    subject: { apiVersion: "v1", kind: "Service", namespace, name, uid },
    type: "Warning",
    reason,
    action: "Sync",
    note: message,
  };
}
