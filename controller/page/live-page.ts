// The live page: keeps what it shows (an index of the node view, a feed of changes, rates) as the
// controller reports changes, and answers requests. It changes nothing and decides nothing.

import { type Answer, JSON_TYPE } from "../http/answer.ts";
import type { Route } from "../http/routes.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { ObjectKey } from "../model/types.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { Clock } from "../system/clock.ts";
import type { Ejection } from "../wire/ejected.ts";
import { ChangeFeed } from "./change-feed.ts";
import { findingsFrom, type NodeStatus, worstOf } from "./findings.ts";
import {
  type Level,
  MAP_PATH,
  type PageState,
  SERVICE_PATH,
  SERVICES_PATH,
  type ServiceDetail,
  type ServiceHealth,
  STATE_PATH,
} from "./page-api.ts";
import { describeService } from "./service-detail.ts";
import { type IndexedService, ServiceIndex } from "./service-index.ts";
import {
  type KnownOfServices,
  needsAttention,
  serviceList,
  serviceMap,
  serviceQueryFrom,
} from "./service-list.ts";
import { Traffic, type TrafficReading } from "./traffic.ts";

const MOST_PROBLEMS = 50;
const CHANGES_SHOWN = 60;
const CHANGES_OF_A_SERVICE = 20;

interface LivePageParts {
  state: Pick<ClusterState, "services" | "slicesOf">;
  status: () => NodeStatus;
  /** As TrafficOptions.read. */
  readTraffic: () => Promise<TrafficReading>;
  /** What the plugin has ejected, a few seconds ago. */
  ejections: () => readonly Ejection[];
  /** For rates and timers. */
  clock: Clock;
  /** For displayed times. */
  wallClock: Clock;
}

export class LivePage {
  readonly #parts: LivePageParts;
  readonly #index = new ServiceIndex();
  readonly #feed: ChangeFeed;
  readonly #traffic: Traffic;
  readonly #changedAt = new Map<ObjectKey, number>();
  #hasBegun = false;

  constructor(parts: LivePageParts) {
    this.#parts = parts;
    this.#feed = new ChangeFeed(parts.wallClock);
    this.#traffic = new Traffic({ read: parts.readTraffic, clock: parts.clock });
  }

  stop(): void {
    this.#traffic.stop();
  }

  /** Takes what one sync changed in the node view; the first call brings what was there before. */
  viewChanged(change: NodeViewChange): void {
    const changes = this.#index.apply(change);
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#feed.add("good", `Portico started with ${countOf(changes.length, "Service")}`);
      return;
    }
    const now = this.#parts.wallClock.now();
    for (const { key, after } of changes) {
      if (after) this.#changedAt.set(key, now);
      else this.#changedAt.delete(key);
    }
    this.#feed.addSync(changes);
  }

  /** Adds something else that operators should see. */
  happened(level: Level, text: string): void {
    this.#feed.add(level, text);
  }

  routes(): Record<string, Route> {
    return {
      [STATE_PATH]: () => json(this.#state()),
      [SERVICES_PATH]: (query) => {
        const known = this.#known();
        return json(serviceList(this.#index.sorted(), serviceQueryFrom(query), known));
      },
      [MAP_PATH]: (query) => {
        const known = this.#known();
        return json(serviceMap(this.#index.sorted(), serviceQueryFrom(query), known));
      },
      [SERVICE_PATH]: (query) => this.#service(query.get("name") ?? ""),
    };
  }

  #state(): PageState {
    this.#traffic.look();
    const status = this.#parts.status();
    const services = this.#index.sorted();
    const frontends = sum(services, (service) => service.frontends.length);
    const findings = findingsFrom(status, frontends);
    const known = this.#known(status);
    const traffic = this.#traffic.now();
    return {
      node: status.nodeName,
      version: status.version,
      source: status.source,
      level: worstOf(findings),
      findings,
      problems: status.problems.slice(0, MOST_PROBLEMS).map(({ object, message }) => {
        return { object, message };
      }),
      problemCount: status.problems.length,
      services: services.length,
      health: {
        serving: countOfHealth(services, "serving"),
        partly: countOfHealth(services, "partly"),
        refusing: countOfHealth(services, "refusing"),
      },
      attention: services.filter((service) => needsAttention(service, known)).length,
      backends: sum(services, ({ backends }) => backends.size),
      localBackends: sum(services, ({ localBackends }) => localBackends),
      counted: this.#traffic.isCounted,
      ...(traffic === undefined ? {} : { traffic }),
      history: this.#traffic.history(),
      changes: this.#feed.latest(CHANGES_SHOWN),
    };
  }

  #service(key: ObjectKey): Answer {
    const indexed = this.#index.get(key);
    if (!indexed) return { ...json({ error: `no Service ${key} is served here` }), status: 404 };
    const { state, status, ejections } = this.#parts;
    const objects = {
      service: state.services.get(key),
      slices: state.slicesOf(key),
      ejections: ejections(),
    };
    const traffic = this.#traffic.of(key);
    const detail: ServiceDetail = {
      ...describeService(indexed, objects),
      ...(traffic === undefined ? {} : { traffic }),
      problems: problemsByService(status()).get(key) ?? [],
      changes: this.#feed.latest(CHANGES_OF_A_SERVICE, key),
    };
    return json(detail);
  }

  #known(status: NodeStatus = this.#parts.status()): KnownOfServices {
    const problems = problemsByService(status);
    return {
      problems: (key) => problems.get(key)?.length ?? 0,
      traffic: (key) => this.#traffic.of(key),
      changedAt: (key) => this.#changedAt.get(key),
    };
  }
}

/** Returns messages by "namespace/name" of the Service that they are about. */
function problemsByService({ problems }: NodeStatus): Map<ObjectKey, string[]> {
  const found = new Map<ObjectKey, string[]>();
  for (const { object, message } of problems) {
    const [kind, key = ""] = object.split(" ", 2);
    if (kind !== "Service") continue;
    const messages = found.get(key) ?? [];
    messages.push(message);
    found.set(key, messages);
  }
  return found;
}

function countOfHealth(services: readonly IndexedService[], health: ServiceHealth): number {
  return services.filter((service) => service.health === health).length;
}

function sum(services: readonly IndexedService[], of: (service: IndexedService) => number) {
  return services.reduce((total, service) => total + of(service), 0);
}

function countOf(count: number, what: string): string {
  return `${count.toLocaleString("en-US")} ${what}${count === 1 ? "" : "s"}`;
}

function json(body: object): Answer {
  return { status: 200, type: JSON_TYPE, body: JSON.stringify(body) };
}
