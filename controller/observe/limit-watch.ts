// What the limits of Services refuse → a problem of each Service whose limit has refused clients
// for long. Asks Envoy every few seconds, and only where a Service has limits. Where nothing is
// counted per Service (--service-metrics=off) it finds nothing.

import { PREFIX, SETTING_NAMES } from "../model/setting-annotations.ts";
import { type Problem, SERVICE_LIMITED } from "../model/types.ts";
import { isLimited } from "../node/frontend-settings.ts";
import type { Frontend } from "../node/types.ts";
import type { Clock } from "../system/clock.ts";
import { repeat } from "../system/repeat.ts";
import type { ServiceStats, ServiceStatsSnapshot } from "./service-stats.ts";

const EVERY_MS = 10_000;
/** Refusals become a problem after this time … */
const LASTS_MS = 30_000;
/** … and it ends this long after the last one. */
const CALM_MS = 60_000;

interface LimitWatchOptions {
  clock: Clock;
  read: () => Promise<ServiceStatsSnapshot>;
  /** All of the node view; undefined while it is incomplete. */
  frontends: () => Iterable<Frontend> | undefined;
  report: (problems: Problem[]) => void;
}

/** One limit of a ServicePort that refuses. */
interface Refusing {
  total: number;
  /** When it was seen to refuse, first and last; undefined: not since the controller started. */
  since: number | undefined;
  last: number;
}

export class LimitWatch {
  readonly #options: LimitWatchOptions;
  /** By Service, port and annotation. */
  #refusing: ReadonlyMap<string, Refusing> = new Map();

  constructor(options: LimitWatchOptions) {
    this.#options = options;
  }

  /** Returns a function that stops it. */
  start(): () => void {
    return repeat(this.#options.clock, EVERY_MS, (ended) => this.#look(ended));
  }

  async #look(ended: AbortSignal): Promise<void> {
    const { read, clock, frontends, report } = this.#options;
    const known = frontends();
    if (!known) return;
    const services = limitedServices(known);
    // Without an answer, what is known stays.
    const snapshot = services.size === 0 ? undefined : await read().catch(() => undefined);
    if (ended.aborted || (!snapshot && services.size > 0)) return;
    const found = snapshot?.services.filter((each) => services.has(serviceOf(each))) ?? [];
    this.#refusing = new Map(found.flatMap((each) => this.#limitsOf(each, clock.now())));
    report(
      [...this.#refusing].flatMap(([name, refusing]) => {
        return isLasting(refusing) ? [problemOf(name)] : [];
      }),
    );
  }

  #limitsOf(stats: ServiceStats, now: number): [string, Refusing][] {
    const { limited, port } = stats;
    const next = (annotation: string, total: number): [string, Refusing] => {
      const name = [serviceOf(stats), port, annotation].join(" ");
      return [name, followed(this.#refusing.get(name), total, now)];
    };
    return [
      next(SETTING_NAMES.maxConnections, limited.connections),
      next(SETTING_NAMES.maxNewConnections, limited.newConnections),
    ];
  }
}

function serviceOf({ namespace, service }: Pick<Frontend, "namespace" | "service">): string {
  return `${namespace}/${service}`;
}

function limitedServices(frontends: Iterable<Frontend>): Set<string> {
  const services = new Set<string>();
  for (const frontend of frontends) {
    if (isLimited(frontend.settings)) services.add(serviceOf(frontend));
  }
  return services;
}

/** The first total is what others saw: refusals count from the second look on. */
function followed(before: Refusing | undefined, total: number, now: number): Refusing {
  if (!before) return { total, since: undefined, last: 0 };
  if (total > before.total) return { total, since: before.since ?? now, last: now };
  const isOver = now - before.last >= CALM_MS;
  return isOver ? { total, since: undefined, last: 0 } : { ...before, total };
}

function isLasting({ since, last }: Refusing): boolean {
  return since !== undefined && last - since >= LASTS_MS;
}

/** The sentence stays the same while the limit refuses. */
function problemOf(name: string): Problem {
  const [service, port, annotation = ""] = name.split(" ");
  const what = annotation.slice(PREFIX.length);
  const message =
    `its limit ${what} (annotation ${annotation}) has refused connections to port ${port} on ` +
    `this node for more than ${LASTS_MS / 1_000} s: clients see resets. Raise it, add nodes or ` +
    "backends as it needs, or find the clients (portico_service_connections_limited_total)";
  return { object: `Service ${service}`, message, reason: SERVICE_LIMITED };
}
