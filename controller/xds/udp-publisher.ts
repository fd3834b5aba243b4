// The listeners and clusters that Envoy is to have for UDP → what it is told, in two steps, so that
// the kernel can be told between them: first what is new or changed beside what is there, then
// without what is to go. Knows neither the kernel nor the table.
//
// A listener that Envoy refuses does not keep the others from it: Envoy takes those of the same
// answer that are good (lds_api.cc), and is sent an answer without the bad ones.

import { sameData } from "../model/same-data.ts";
import type { Problem } from "../model/types.ts";
import { XdsRejectedError } from "./errors.ts";
import type { FlowLogOptions } from "./flow-log.ts";
import type { Resource } from "./protos.ts";
import type { XdsServer } from "./server.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE } from "./type-urls.ts";
import { udpAssignment, udpCluster, udpListener } from "./udp-resources.ts";
import type { UdpCluster, UdpListener, UdpTarget } from "./udp-target.ts";

export interface UdpPublisherOptions {
  xds: Pick<XdsServer, "set" | "admitListeners">;
  /** What Envoy is to have beside them, always. */
  clusters: readonly Resource[];
  /** Where all UDP listeners are bound. */
  port: number;
  /** Most flows of one cluster. */
  flowLimit: number;
  flowLog?: FlowLogOptions | undefined;
}

/**
 * Listeners or clusters that are added in one answer. Envoy's main thread takes about a second for
 * as many, and answers nobody meanwhile: thousands at once, and it would be taken for one that
 * hangs.
 */
const MOST_AT_ONCE = 500;

type Listeners = UdpTarget["listeners"];
type Clusters = UdpTarget["clusters"];

export class UdpPublisher {
  readonly #options: UdpPublisherOptions;
  /** What the server was last set to, and whether Envoy was seen to have that. */
  #listeners: { set: Listeners; settled: boolean } = { set: new Map(), settled: false };
  #clusters: { set: Clusters; settled: boolean } = { set: new Map(), settled: false };
  /** Listeners that Envoy refused, by name, and its words. */
  readonly #refused = new Map<string, { listener: UdpListener; detail: string }>();
  #hasSetListeners = false;
  /** What Envoy is to have beside those for UDP. */
  #others: readonly Resource[] = [];
  readonly #listenerOf: (listener: UdpListener) => Resource;
  readonly #clusterOf: (cluster: UdpCluster) => Resource;
  readonly #assignmentOf: (cluster: UdpCluster) => Resource;

  constructor(options: UdpPublisherOptions) {
    this.#options = options;
    this.#listenerOf = remembering((listener) =>
      udpListener(listener, options.port, options.flowLog),
    );
    this.#clusterOf = remembering((cluster) => udpCluster(cluster, options.flowLimit));
    this.#assignmentOf = remembering(udpAssignment);
  }

  /** Whether Envoy was told which listeners to have. */
  get hasSetListeners(): boolean {
    return this.#hasSetListeners;
  }

  /** Listeners of the last target that Envoy has not, because it refused them. */
  refused(): UdpListener[] {
    return [...this.#refused.values()].map(({ listener }) => listener);
  }

  problems(): Problem[] {
    return [...this.#refused.values()].map(({ listener, detail }) => ({
      object: `Service ${listener.service}`,
      message:
        `${listener.frontend} is refused, since Envoy does not take its listener ` +
        `${listener.name}: ${detail}; it is tried again with every full sync`,
    }));
  }

  /** Listeners that Envoy is to have beside those for UDP, from the next step on. */
  keepListeners(others: readonly Resource[]): void {
    if (others === this.#others) return;
    this.#others = others;
    this.#listeners.settled = false;
  }

  /** Lets Envoy have another try at what it refused. */
  forgetRefusals(): void {
    this.#refused.clear();
  }

  /**
   * Step one, for all Envoys and for those that wait for admission (their ids). Resolves once all
   * have acknowledged what is new and changed. What the target does not have stays, the last
   * backend of a cluster too. `areEmpty`: they have no listeners at all, of this or an earlier
   * controller.
   */
  add(target: UdpTarget, waiting: readonly number[], areEmpty = false): Promise<void> {
    const present = { listeners: this.#listeners.set, clusters: this.#clusters.set };
    return this.#withoutBad(target, async ({ listeners, clusters }) => {
      const { listeners: good } = this.#allowed(present);
      if (areEmpty && listeners.size > MOST_AT_ONCE) await this.#beginWithout(waiting);
      await this.#setClusters(merged(present.clusters, withoutEmpty(clusters, present.clusters)));
      await this.#setListeners(merged(good, listeners));
      for (const id of waiting) await this.#options.xds.admitListeners(id);
    });
  }

  /** Step two: what the target does not have goes. Resolves once that is acknowledged. */
  removeOthers(target: UdpTarget): Promise<void> {
    return this.#withoutBad(target, async ({ listeners, clusters }) => {
      await this.#setListeners(listeners);
      await this.#setClusters(clusters);
    });
  }

  /** Repeats a step until Envoy takes it, with less each time; throws what is not its refusal. */
  async #withoutBad(target: UdpTarget, step: (allowed: UdpTarget) => Promise<void>): Promise<void> {
    for (const [name, { listener }] of this.#refused) {
      if (!sameData(target.listeners.get(name), listener)) this.#refused.delete(name);
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

  #allowed({ listeners, clusters }: UdpTarget): UdpTarget {
    if (this.#refused.size === 0) return { listeners, clusters };
    const good = [...listeners].filter(([name]) => !this.#refused.has(name));
    const used = new Set(good.map(([, { cluster }]) => cluster));
    const needed = [...clusters].filter(([name]) => used.has(name));
    return { listeners: new Map(good), clusters: new Map(needed) };
  }

  /** Notes whom Envoy's words are about; false when that is nobody who is not noted already. */
  #refuse(detail: string, { listeners }: UdpTarget): boolean {
    const before = this.#refused.size;
    this.#listeners.settled = false;
    this.#clusters.settled = false;
    for (const [name, listener] of listeners) {
      const isMeant = [name, listener.cluster].some((each) => detail.includes(`${each}: `));
      if (isMeant && !this.#refused.has(name)) this.#refused.set(name, { listener, detail });
    }
    return this.#refused.size > before;
  }

  /** Lets empty Envoys in with no UDP listener, so that these can come part by part. */
  async #beginWithout(waiting: readonly number[]): Promise<void> {
    await this.#setListenersAtOnce(new Map());
    for (const id of waiting) await this.#options.xds.admitListeners(id);
  }

  async #setListeners(set: Listeners): Promise<void> {
    if (this.#listeners.settled && hasSame(this.#listeners.set, set)) return;
    // Before the first time an Envoy may have any of them, and what is not set would go.
    const present = this.#hasSetListeners ? this.#listeners.set : set;
    for (const part of growing(present, set)) await this.#setListenersAtOnce(part);
  }

  async #setListenersAtOnce(set: Listeners): Promise<void> {
    this.#listeners = { set, settled: false };
    this.#hasSetListeners = true;
    const own = [...set.values()].map(this.#listenerOf);
    await this.#options.xds.set(LISTENER_TYPE, [...this.#others, ...own]);
    this.#listeners.settled = true;
  }

  async #setClusters(set: Clusters): Promise<void> {
    if (this.#clusters.settled && hasSame(this.#clusters.set, set)) return;
    const present = this.#hasSetListeners ? this.#clusters.set : set;
    for (const part of growing(present, set)) await this.#setClustersAtOnce(part);
  }

  async #setClustersAtOnce(set: Clusters): Promise<void> {
    this.#clusters = { set, settled: false };
    const { xds, clusters: always } = this.#options;
    const own = [...set.values()];
    await xds.set(ENDPOINTS_TYPE, own.map(this.#assignmentOf));
    await xds.set(CLUSTER_TYPE, [...always, ...own.map(this.#clusterOf)]);
    this.#clusters.settled = true;
  }
}

/**
 * `set` in steps, each with all that `present` has of it and so many more than the last; at least
 * one, which is `set` itself.
 */
function growing<T>(
  present: ReadonlyMap<string, T>,
  set: ReadonlyMap<string, T>,
): ReadonlyMap<string, T>[] {
  const added = [...set.keys()].filter((name) => !present.has(name));
  const steps: ReadonlyMap<string, T>[] = [];
  for (let count = MOST_AT_ONCE; count < added.length; count += MOST_AT_ONCE) {
    const later = new Set(added.slice(count));
    steps.push(new Map([...set].filter(([name]) => !later.has(name))));
  }
  return [...steps, set];
}

/** Everything of both; what both have, as in `next`. Sorted by name. */
function merged<T>(
  present: ReadonlyMap<string, T>,
  next: ReadonlyMap<string, T>,
): ReadonlyMap<string, T> {
  if ([...present.keys()].every((name) => next.has(name))) return next;
  const all = [...new Map([...present, ...next])];
  return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function hasSame<T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): boolean {
  return a === b || (a.size === b.size && [...a].every(([name, value]) => b.get(name) === value));
}

/** Clusters that lose their last backend keep what they have; see removeOthers. */
function withoutEmpty(next: Clusters, present: Clusters): Clusters {
  const losesItsLast = ({ name, backends }: UdpCluster) =>
    backends.length === 0 && (present.get(name)?.backends.length ?? 0) > 0;
  if (![...next.values()].some(losesItsLast)) return next;
  return new Map([...next].filter(([, cluster]) => !losesItsLast(cluster)));
}

/** The same result for the same object, as long as that lives. */
function remembering<From extends object, To>(make: (from: From) => To): (from: From) => To {
  const made = new WeakMap<From, To>();
  return (from) => {
    const to = made.get(from) ?? make(from);
    made.set(from, to);
    return to;
  };
}
