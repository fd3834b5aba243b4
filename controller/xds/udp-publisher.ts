// The listeners and clusters that Envoy should have for UDP → what it gets, in two steps, so that
// the kernel can be updated in between: first what is new or changed, next to what is there, then
// without what must go. Knows neither the kernel nor the table. A step costs what changed, except
// the first, and while Envoy refuses a listener: then it looks at all.
//
// A listener that Envoy refuses does not block the others: Envoy accepts the good ones of the same
// answer (lds_api.cc), and then gets an answer without the bad ones.

import { sameData } from "../model/same-data.ts";
import type { Problem } from "../model/types.ts";
import { XdsRejectedError } from "./errors.ts";
import type { FlowLogOptions } from "./flow-log.ts";
import type { Resource } from "./protos.ts";
import type { XdsServer } from "./server.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE } from "./type-urls.ts";
import { udpAssignment, udpCluster, udpListener } from "./udp-resources.ts";
import type { UdpCluster, UdpListener, UdpTarget } from "./udp-target.ts";

interface UdpPublisherOptions {
  xds: Pick<XdsServer, "set" | "change" | "admitListeners">;
  /** Other clusters, which Envoy always has. */
  clusters: readonly Resource[];
  /** Where all UDP listeners are bound. */
  port: number;
  /** The most flows of one of so many clusters. */
  flowLimit: (clusters: number) => number;
  flowLog?: FlowLogOptions | undefined;
}

/**
 * The most listeners or clusters that one answer adds. Envoy's main thread takes about a second for
 * this many, and answers nothing meanwhile: with thousands at once it would count as hung.
 */
const MOST_AT_ONCE = 500;

/** What differs in one step; upserts sorted by name. */
interface Change<T> {
  upserts: readonly T[];
  removals: readonly string[];
}

/** What the server was last set to, of one type. */
class Published<T extends { name: string }> {
  readonly set = new Map<string, T>();
  /** Names that may differ from the target. */
  readonly open = new Set<string>();
  /** Whether Envoy has acknowledged it. */
  settled = false;
  /** Whether the next step gives everything: the server or an Envoy may have anything. */
  isUnknown = true;

  /** `keeps`: reports whether what is there stays, which the target has differently or lacks. */
  changeTo(
    wanted: (name: string) => T | undefined,
    keeps: (present: T, next: T | undefined) => boolean,
  ): Change<T> {
    const upserts: T[] = [];
    const removals: string[] = [];
    for (const name of [...this.open].sort()) {
      const present = this.set.get(name);
      const next = wanted(name);
      if (next === present) this.open.delete(name);
      else if (present && keeps(present, next)) continue;
      else if (next) upserts.push(next);
      else removals.push(name);
    }
    return { upserts, removals };
  }

  sizeAfter({ upserts, removals }: Change<T>): number {
    const added = upserts.filter(({ name }) => !this.set.has(name));
    return this.set.size + added.length - removals.filter((name) => this.set.has(name)).length;
  }

  /** Gives Envoy a change; everything where that is in doubt, such as after a failure. */
  async give(
    change: Change<T>,
    giveAll: (all: readonly T[]) => Promise<unknown>,
    giveChange: (change: Change<T>) => Promise<unknown>,
  ): Promise<void> {
    for (const each of change.upserts) this.set.set(each.name, each);
    for (const name of change.removals) this.set.delete(name);
    const isDoubtful = this.isUnknown;
    this.settled = false;
    this.isUnknown = true;
    await (isDoubtful ? giveAll(this.#all()) : giveChange(change));
    this.isUnknown = false;
    this.settled = true;
  }

  /** Returns everything, sorted by name. */
  #all(): T[] {
    return [...this.set.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

export class UdpPublisher {
  readonly #options: UdpPublisherOptions;
  readonly #listeners = new Published<UdpListener>();
  readonly #clusters = new Published<UdpCluster>();
  /** Listeners that Envoy refused, by name, and its error message. */
  readonly #refused = new Map<string, { listener: UdpListener; detail: string }>();
  #hasSetListeners = false;
  /** Listeners that Envoy should have in addition to those for UDP. */
  #others: readonly Resource[] = [];
  readonly #listenerOf: (listener: UdpListener) => Resource;
  #clusterOf: (cluster: UdpCluster) => Resource;
  #flowLimit: number;
  readonly #assignmentOf: (cluster: UdpCluster) => Resource;

  constructor(options: UdpPublisherOptions) {
    this.#options = options;
    this.#listenerOf = remembering((listener) =>
      udpListener(listener, options.port, options.flowLog),
    );
    this.#flowLimit = options.flowLimit(0);
    this.#clusterOf = clusterMaker(this.#flowLimit);
    this.#assignmentOf = remembering(udpAssignment);
  }

  /** Whether the listeners were set at least once. */
  get hasSetListeners(): boolean {
    return this.#hasSetListeners;
  }

  /** Returns listeners of the last target that Envoy lacks, because it refused them. */
  refused(): UdpListener[] {
    return [...this.#refused.values()].map(({ listener }) => listener);
  }

  problems(): Problem[] {
    return [...this.#refused.values()].map(({ listener, detail }) => ({
      object: `Service ${listener.service}`,
      message:
        `${listener.frontend} is refused, because Envoy does not accept its listener ` +
        `${listener.name}: ${detail}; Portico retries with every full sync`,
    }));
  }

  /** Sets the listeners that Envoy should have in addition to those for UDP, from the next step. */
  keepListeners(others: readonly Resource[]): void {
    if (others === this.#others) return;
    this.#others = others;
    this.#listeners.settled = false;
    this.#listeners.isUnknown = true;
  }

  /** Lets Envoy try again what it refused. */
  forgetRefusals(): void {
    for (const name of this.#refused.keys()) this.#forgetRefusal(name);
  }

  /**
   * Step one, for all Envoys and for those that wait for admission (their ids). Resolves once all
   * have acknowledged what is new and changed. Keeps what the target lacks, including the last
   * backend of a cluster. `areEmpty`: they have no listeners at all, from this or an earlier
   * controller.
   */
  async add(target: UdpTarget, waiting: readonly number[], areEmpty = false): Promise<void> {
    this.#follow(target);
    if (areEmpty && target.listeners.size > MOST_AT_ONCE) await this.#beginWithout(waiting);
    await this.#withoutBad(target, async ({ listener, cluster }) => {
      await this.#setClusters(this.#clusters.changeTo(cluster, keepsHosts));
      const keeps = (present: UdpListener, next: UdpListener | undefined) =>
        next === undefined && !this.#refused.has(present.name);
      await this.#setListeners(this.#listeners.changeTo(listener, keeps));
      for (const id of waiting) await this.#options.xds.admitListeners(id);
    });
  }

  /** Step two: removes what the target lacks. Resolves once that is acknowledged. */
  async removeOthers(target: UdpTarget): Promise<void> {
    this.#follow(target);
    await this.#withoutBad(target, async ({ listener, cluster }) => {
      await this.#setListeners(this.#listeners.changeTo(listener, keepsNothing));
      await this.#setClusters(this.#clusters.changeTo(cluster, keepsNothing));
    });
  }

  #follow(target: UdpTarget): void {
    const { listeners, clusters } = target.takeChanges() ?? {
      listeners: [...this.#listeners.set.keys(), ...target.listeners.keys()],
      clusters: [...this.#clusters.set.keys(), ...target.clusters.keys()],
    };
    for (const name of listeners) {
      this.#listeners.open.add(name);
      // Where only refused listeners lead to a cluster too, that comes and goes with this one.
      const forms = [this.#listeners.set.get(name), target.listeners.get(name)];
      for (const each of forms) if (each) this.#clusters.open.add(each.cluster);
    }
    for (const name of clusters) this.#clusters.open.add(name);
  }

  /** Repeats a step, with less each time, until Envoy accepts it; throws any other error. */
  async #withoutBad(target: UdpTarget, step: (allowed: Allowed) => Promise<void>): Promise<void> {
    for (const [name, { listener }] of this.#refused) {
      if (!sameData(target.listeners.get(name), listener)) this.#forgetRefusal(name);
    }
    for (;;) {
      try {
        return await step(this.#allowed(target));
      } catch (error) {
        if (!(error instanceof XdsRejectedError) || !this.#refuse(error.detail, target))
          throw error;
      }
    }
  }

  /** Leaves out listeners that Envoy refused, and clusters that only those need. */
  #allowed({ listeners, clusters }: UdpTarget): Allowed {
    const allowed = {
      listener: (name: string) => (this.#refused.has(name) ? undefined : listeners.get(name)),
      cluster: (name: string) => clusters.get(name),
    };
    if (this.#refused.size === 0) return allowed;
    const good = [...listeners.values()].filter(({ name }) => !this.#refused.has(name));
    const used = new Set(good.map(({ cluster }) => cluster));
    const cluster = (name: string) => (used.has(name) ? clusters.get(name) : undefined);
    return { ...allowed, cluster };
  }

  /** Notes the listeners that Envoy's message names; returns false when it names no new one. */
  #refuse(detail: string, { listeners }: UdpTarget): boolean {
    const before = this.#refused.size;
    this.#listeners.settled = false;
    this.#clusters.settled = false;
    for (const [name, listener] of listeners) {
      const isMeant = [name, listener.cluster].some((each) => detail.includes(`${each}: `));
      if (!isMeant || this.#refused.has(name)) continue;
      this.#refused.set(name, { listener, detail });
      this.#reopen(listener);
    }
    return this.#refused.size > before;
  }

  #forgetRefusal(name: string): void {
    const refused = this.#refused.get(name);
    if (this.#refused.delete(name) && refused) this.#reopen(refused.listener);
  }

  #reopen({ name, cluster }: UdpListener): void {
    this.#listeners.open.add(name);
    this.#clusters.open.add(cluster);
  }

  /** Admits empty Envoys without UDP listeners, so that these can come in parts. */
  async #beginWithout(waiting: readonly number[]): Promise<void> {
    for (const name of this.#listeners.set.keys()) this.#listeners.open.add(name);
    this.#listeners.set.clear();
    this.#listeners.isUnknown = true;
    await this.#setListenersAtOnce({ upserts: [], removals: [] });
    for (const id of waiting) await this.#options.xds.admitListeners(id);
  }

  async #setListeners(change: Change<UdpListener>): Promise<void> {
    if (this.#listeners.settled && isEmpty(change)) return;
    for (const part of this.#parts(this.#listeners, change)) await this.#setListenersAtOnce(part);
  }

  async #setListenersAtOnce(change: Change<UdpListener>): Promise<void> {
    const { xds } = this.#options;
    this.#hasSetListeners = true;
    await this.#listeners.give(
      change,
      (all) => xds.set(LISTENER_TYPE, [...this.#others, ...all.map(this.#listenerOf)]),
      ({ upserts, removals }) => {
        return xds.change(LISTENER_TYPE, upserts.map(this.#listenerOf), removals);
      },
    );
  }

  async #setClusters(change: Change<UdpCluster>): Promise<void> {
    if (this.#clusters.settled && isEmpty(change)) return;
    for (const part of this.#parts(this.#clusters, change)) await this.#setClustersAtOnce(part);
  }

  async #setClustersAtOnce(change: Change<UdpCluster>): Promise<void> {
    const { xds, clusters: always } = this.#options;
    this.#limitFlows(this.#clusters.sizeAfter(change));
    await this.#clusters.give(
      change,
      async (all) => {
        await xds.set(ENDPOINTS_TYPE, all.map(this.#assignmentOf));
        await xds.set(CLUSTER_TYPE, [...always, ...all.map(this.#clusterOf)]);
      },
      async ({ upserts, removals }) => {
        await xds.change(ENDPOINTS_TYPE, upserts.map(this.#assignmentOf), removals);
        await xds.change(CLUSTER_TYPE, upserts.map(this.#clusterOf), removals);
      },
    );
  }

  #limitFlows(clusters: number): void {
    const flowLimit = this.#options.flowLimit(clusters);
    if (flowLimit === this.#flowLimit) return;
    this.#flowLimit = flowLimit;
    this.#clusterOf = clusterMaker(this.#flowLimit);
    this.#clusters.isUnknown = true;
  }

  /**
   * Returns a change in parts, each of which adds at most MOST_AT_ONCE; at least one, which may be
   * empty. Before the first time an Envoy may have any of them, and what is not set would be
   * removed: then all come at once.
   */
  #parts<T extends { name: string }>({ set }: Published<T>, change: Change<T>): Change<T>[] {
    const added = change.upserts.filter(({ name }) => !set.has(name));
    if (!this.#hasSetListeners || added.length <= MOST_AT_ONCE) return [change];
    const changed = change.upserts.filter(({ name }) => set.has(name));
    const upserts = [...changed, ...added.slice(0, MOST_AT_ONCE)];
    const parts: Change<T>[] = [{ upserts, removals: change.removals }];
    for (let first = MOST_AT_ONCE; first < added.length; first += MOST_AT_ONCE) {
      parts.push({ upserts: added.slice(first, first + MOST_AT_ONCE), removals: [] });
    }
    return parts;
  }
}

/** What of a target Envoy may get, by name. */
interface Allowed {
  listener: (name: string) => UdpListener | undefined;
  cluster: (name: string) => UdpCluster | undefined;
}

function clusterMaker(flowLimit: number): (cluster: UdpCluster) => Resource {
  return remembering((cluster) => udpCluster(cluster, flowLimit));
}

function isEmpty({ upserts, removals }: Change<unknown>): boolean {
  return upserts.length + removals.length === 0;
}

function keepsNothing(): boolean {
  return false;
}

/** Clusters that go, or that lose their last backend, keep what they have; see removeOthers. */
function keepsHosts(present: UdpCluster, next: UdpCluster | undefined): boolean {
  return next === undefined || (next.backends.length === 0 && present.backends.length > 0);
}

/** Returns the same result for the same object, while that lives. */
function remembering<From extends object, To>(make: (from: From) => To): (from: From) => To {
  const made = new WeakMap<From, To>();
  return (from) => {
    const to = made.get(from) ?? make(from);
    made.set(from, to);
    return to;
  };
}
