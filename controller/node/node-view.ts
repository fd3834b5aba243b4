// ServiceViews, as they come and go → the view of this node: every frontend once, with one winner
// where several Services claim it. The order in which they came leaves no trace.

import { compareAddresses } from "../model/ip.ts";
import { sameData } from "../model/same-data.ts";
import type { ObjectKey, Problem } from "../model/types.ts";
import { CountedSet } from "./counted-set.ts";
import type { Frontend, FrontendKey, FrontendKind, ServiceView } from "./types.ts";

/** What became different; both lists sorted by key. */
export interface NodeViewChange {
  upserted: Frontend[];
  removed: FrontendKey[];
}

/**
 * Who wins a frontend that several claim: a cluster IP before a node port before what people may
 * type in freely, so that no Service takes over another's address; then the first by name.
 */
const PRECEDENCE: readonly FrontendKind[] = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalIP"];

export class NodeView {
  readonly #services = new Map<ObjectKey, ServiceView>();
  readonly #frontends = new Map<FrontendKey, Frontend>();
  /** The others that claim a frontend, best first; most frontends have none. */
  readonly #losers = new Map<FrontendKey, Frontend[]>();
  readonly #problems = new Map<ObjectKey, readonly Problem[]>();
  readonly #clusterIPs = new CountedSet();
  readonly #localEndpoints = new CountedSet();
  readonly #externalFrontends = new CountedSet();

  get frontends(): ReadonlyMap<FrontendKey, Frontend> {
    return this.#frontends;
  }

  /** Keys of the Services that are part of the view. */
  get services(): Iterable<ObjectKey> {
    return this.#services.keys();
  }

  /** Sorted; the same array as long as nothing changed. */
  clusterIPs(): readonly string[] {
    return this.#clusterIPs.sorted(compareAddresses);
  }

  /** Addresses of all backends on this node. Sorted; the same array as long as nothing changed. */
  localEndpoints(): readonly string[] {
    return this.#localEndpoints.sorted(compareAddresses);
  }

  /** Keys of external IPs and load balancer addresses. Sorted; the same array as above. */
  externalFrontends(): readonly FrontendKey[] {
    return this.#externalFrontends.sorted((a, b) => (a < b ? -1 : 1));
  }

  /** All present problems, in no order. */
  problems(): Problem[] {
    const lost = [...this.#losers].flatMap(([key, losers]) =>
      losers.map((loser) => lostProblem(loser, this.#frontends.get(key))),
    );
    return [...[...this.#problems.values()].flat(), ...lost];
  }

  /** Takes in the new views of these Services; undefined for one that is no longer served. */
  apply(changed: Iterable<readonly [ObjectKey, ServiceView | undefined]>): NodeViewChange {
    const before = new Map<FrontendKey, Frontend | undefined>();
    for (const [service, view] of changed) this.#replace(service, view, before);
    const change: NodeViewChange = { upserted: [], removed: [] };
    for (const [key, old] of before) {
      const now = this.#frontends.get(key);
      if (now && !sameData(old, now)) change.upserted.push(now);
      else if (old && !now) change.removed.push(key);
      if (old !== now) this.#recount(old, now);
    }
    change.upserted.sort((a, b) => (a.key < b.key ? -1 : 1));
    change.removed.sort();
    return change;
  }

  /** Notes in `before` what each frontend was that it touches first. */
  #replace(
    service: ObjectKey,
    view: ServiceView | undefined,
    before: Map<FrontendKey, Frontend | undefined>,
  ): void {
    const old = this.#services.get(service);
    if (view) this.#services.set(service, view);
    else this.#services.delete(service);
    if (view && view.problems.length > 0) this.#problems.set(service, view.problems);
    else this.#problems.delete(service);
    for (const address of view?.clusterIPs ?? []) this.#clusterIPs.add(address);
    for (const address of old?.clusterIPs ?? []) this.#clusterIPs.remove(address);
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
    const [winner, ...losers] = claims.sort(comparePrecedence);
    if (winner) this.#frontends.set(key, winner);
    if (losers.length > 0) this.#losers.set(key, losers);
    else this.#losers.delete(key);
  }

  #recount(old: Frontend | undefined, now: Frontend | undefined): void {
    for (const address of localAddressesOf(now)) this.#localEndpoints.add(address);
    for (const address of localAddressesOf(old)) this.#localEndpoints.remove(address);
    if (now && isExternal(now)) this.#externalFrontends.add(now.key);
    if (old && isExternal(old)) this.#externalFrontends.remove(old.key);
  }
}

function* localAddressesOf(frontend: Frontend | undefined): Generator<string> {
  if (!frontend) return;
  for (const list of [frontend.backends, frontend.localBackends]) {
    for (const { address, local } of list) if (local) yield address;
  }
}

function isExternal({ kind }: Frontend): boolean {
  return kind === "ExternalIP" || kind === "LoadBalancer";
}

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
    message: `${loser.key} is served for ${holder}; give one of them another address or port`,
    reason: "AddressConflict",
  };
}
