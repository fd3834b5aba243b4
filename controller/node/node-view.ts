// ServiceViews, as they come and go → the view of this node: every frontend once, with one winner
// where several Services claim it. The order in which they came does not matter.

import { sameData } from "../model/same-data.ts";
import type { ObjectKey, Problem } from "../model/types.ts";
import { BackendDifferences } from "./backend-lists.ts";
import { CountedSet } from "./counted-set.ts";
import type { Frontend, FrontendKey, FrontendKind, ServiceView } from "./types.ts";

/** What changed; both lists sorted by key. */
export interface NodeViewChange {
  upserted: Frontend[];
  removed: FrontendKey[];
}

export interface NodeViewUpdate extends NodeViewChange {
  /** All problems of each Service whose problems may have changed; none for one without. */
  problems: ReadonlyMap<ObjectKey, readonly Problem[]>;
}

/**
 * Which Service wins a frontend that several claim: a cluster IP before a node port before
 * addresses that users enter freely, so that no Service takes over another's address; then the
 * first by name.
 */
const PRECEDENCE: readonly FrontendKind[] = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalIP"];

export class NodeView {
  readonly clusterIPs = new CountedSet();
  /** Addresses of all backends on this node. */
  readonly localBackendAddresses = new CountedSet();
  readonly #services = new Map<ObjectKey, ServiceView>();
  readonly #frontends = new Map<FrontendKey, Frontend>();
  /** The others that claim a frontend, best first; most frontends have none. */
  readonly #losers = new Map<FrontendKey, Frontend[]>();
  /** Services that changed, or whose rank did, since the last apply(). */
  readonly #touched = new Set<ObjectKey>();

  get frontends(): ReadonlyMap<FrontendKey, Frontend> {
    return this.#frontends;
  }

  /** Keys of the Services that are part of the view. */
  get services(): Iterable<ObjectKey> {
    return this.#services.keys();
  }

  /** Applies the new views of these Services; undefined for one that is no longer served. */
  apply(changed: Iterable<readonly [ObjectKey, ServiceView | undefined]>): NodeViewUpdate {
    const before = new Map<FrontendKey, Frontend | undefined>();
    for (const [service, view] of changed) this.#replace(service, view, before);
    const change: NodeViewUpdate = { upserted: [], removed: [], problems: this.#newProblems() };
    const lists = new BackendDifferences();
    for (const [key, old] of before) {
      const now = this.#frontends.get(key);
      if (now && !isSame(old, now, lists)) change.upserted.push(now);
      else if (old && !now) change.removed.push(key);
      if (old !== now) this.#recount(old, now, lists);
    }
    change.upserted.sort((a, b) => (a.key < b.key ? -1 : 1));
    change.removed.sort();
    return change;
  }

  /** Notes in `before` each frontend as it was before the first change. */
  #replace(
    service: ObjectKey,
    view: ServiceView | undefined,
    before: Map<FrontendKey, Frontend | undefined>,
  ): void {
    const old = this.#services.get(service);
    if (view) this.#services.set(service, view);
    else this.#services.delete(service);
    this.#touched.add(service);
    for (const address of view?.clusterIPs ?? []) this.clusterIPs.add(address);
    for (const address of old?.clusterIPs ?? []) this.clusterIPs.remove(address);
    for (const frontend of old?.frontends ?? []) {
      if (!before.has(frontend.key)) before.set(frontend.key, this.#frontends.get(frontend.key));
      this.#withdraw(frontend);
    }
    for (const frontend of view?.frontends ?? []) {
      if (!before.has(frontend.key)) before.set(frontend.key, this.#frontends.get(frontend.key));
      this.#claim(frontend);
    }
  }

  #claim(frontend: Frontend): void {
    const { key } = frontend;
    const present = this.#frontends.get(key);
    if (!present) this.#frontends.set(key, frontend);
    else this.#rank(key, [present, frontend, ...(this.#losers.get(key) ?? [])]);
  }

  #withdraw(frontend: Frontend): void {
    const { key } = frontend;
    const losers = this.#losers.get(key);
    if (!losers) {
      this.#frontends.delete(key);
      return;
    }
    const claims = [this.#frontends.get(key), ...losers];
    this.#rank(
      key,
      claims.filter((claim) => claim !== undefined).filter((claim) => claim !== frontend),
    );
  }

  /** `claims` has at least one. */
  #rank(key: FrontendKey, claims: Frontend[]): void {
    for (const claim of claims) this.#touched.add(serviceOf(claim));
    const [winner, ...losers] = claims.sort(comparePrecedence);
    if (winner) this.#frontends.set(key, winner);
    if (losers.length > 0) this.#losers.set(key, losers);
    else this.#losers.delete(key);
  }

  #newProblems(): Map<ObjectKey, readonly Problem[]> {
    const problems = new Map<ObjectKey, readonly Problem[]>();
    for (const service of this.#touched) problems.set(service, this.#problemsOf(service));
    this.#touched.clear();
    return problems;
  }

  #problemsOf(service: ObjectKey): readonly Problem[] {
    const view = this.#services.get(service);
    if (!view) return [];
    const lost: Problem[] = [];
    for (const frontend of view.frontends) {
      const winner = this.#frontends.get(frontend.key);
      if (winner !== frontend) lost.push(lostProblem(frontend, winner));
    }
    return lost.length === 0 ? view.problems : [...view.problems, ...lost];
  }

  #recount(old: Frontend | undefined, now: Frontend | undefined, lists: BackendDifferences): void {
    const changes = [
      lists.between(old?.backends, now?.backends),
      lists.between(old?.localBackends, now?.localBackends),
    ];
    const { localBackendAddresses: counted } = this;
    for (const { come } of changes)
      for (const each of come) if (each.local) counted.add(each.address);
    for (const { gone } of changes)
      for (const each of gone) if (each.local) counted.remove(each.address);
  }
}

function isSame(old: Frontend | undefined, now: Frontend, lists: BackendDifferences): boolean {
  if (!old || old === now) return old === now;
  return (
    sameData({ ...old, ...NO_LISTS }, { ...now, ...NO_LISTS }) &&
    lists.areSame(old.backends, now.backends) &&
    lists.areSame(old.localBackends, now.localBackends) &&
    lists.areSame(old.servingBackends, now.servingBackends)
  );
}

/** The lists are compared apart. */
const NO_LISTS = { backends: [], localBackends: [], servingBackends: [] };

function comparePrecedence(a: Frontend, b: Frontend): number {
  const byKind = PRECEDENCE.indexOf(a.kind) - PRECEDENCE.indexOf(b.kind);
  if (byKind !== 0) return byKind;
  return serviceOf(a) < serviceOf(b) ? -1 : 1;
}

function serviceOf(frontend: Frontend): string {
  return `${frontend.namespace}/${frontend.service}`;
}

function lostProblem(loser: Frontend, winner: Frontend | undefined): Problem {
  const holder = winner ? `Service ${serviceOf(winner)} (${winner.kind})` : "nobody";
  return {
    object: `Service ${serviceOf(loser)}`,
    message:
      `${loser.key} is already served for ${holder}; change the address or port of one of ` +
      "them",
    reason: "AddressConflict",
  };
}
