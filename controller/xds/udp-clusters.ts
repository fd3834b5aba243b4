// UDP frontends, as they come and go → the clusters that Envoy should have for them. A cluster is
// shared by frontends of one Service's port, and made again when one of these changes, or when an
// address of its endpoints becomes a UDP frontend or ceases to be one. That costs what a Service
// has endpoints: Envoy gets them all again. But the index by place changes only where they do.

import { areSameBackends, backendDifference } from "../node/backend-lists.ts";
import type { ListenerKind } from "../node/hand-over.ts";
import type { Backend, Frontend, FrontendKey } from "../node/types.ts";
import { allBackendsBehind, type UdpCluster, udpClusterOf } from "./udp-target.ts";

/** A frontend with a listener that leads to a cluster. */
interface User {
  frontend: Frontend;
  kind: ListenerKind;
}

type Place = Pick<Backend, "address" | "port">;

interface Known {
  /** All have the same lists (frontend-places.ts). */
  users: Map<FrontendKey, User>;
  /** Including those that it leaves out. */
  backends: readonly Backend[];
}

export class UdpClusters {
  readonly #clusters = new Map<string, UdpCluster>();
  readonly #known = new Map<string, Known>();
  /** Clusters by the places of their endpoints. */
  readonly #byPlace = new Map<string, Set<string>>();
  /** Where UDP frontends are: ports by address. */
  readonly #frontends = new Map<string, Set<number>>();
  /** Clusters to be made again. */
  readonly #touched = new Set<string>();

  /** Always the same map, up to date after `renew`. */
  get all(): ReadonlyMap<string, UdpCluster> {
    return this.#clusters;
  }

  /** Notes that a frontend appeared. */
  addFrontend({ address, port }: Frontend): void {
    const ports = this.#frontends.get(address) ?? new Set();
    this.#frontends.set(address, ports.add(port));
    this.#touchAt({ address, port });
  }

  /** Notes that a frontend is gone. */
  removeFrontend({ address, port }: Frontend): void {
    const ports = this.#frontends.get(address);
    ports?.delete(port);
    if (ports?.size === 0) this.#frontends.delete(address);
    this.#touchAt({ address, port });
  }

  /** Notes that a frontend has a listener that leads to a cluster, or another form. */
  use(cluster: string, frontend: Frontend, kind: ListenerKind): void {
    const known = this.#known.get(cluster) ?? { users: new Map(), backends: [] };
    known.users.set(frontend.key, { frontend, kind });
    this.#known.set(cluster, known);
    this.#touched.add(cluster);
  }

  /** Notes that no listener of a frontend leads there any more. */
  drop(cluster: string, frontend: FrontendKey): void {
    this.#known.get(cluster)?.users.delete(frontend);
    this.#touched.add(cluster);
  }

  /** Makes again the clusters of which something was noted; returns the names that differ. */
  renew(): string[] {
    const changed = [...this.#touched].filter((name) => this.#renew(name));
    this.#touched.clear();
    return changed;
  }

  #touchAt(place: Place): void {
    for (const cluster of this.#byPlace.get(textOf(place)) ?? []) this.#touched.add(cluster);
  }

  #renew(name: string): boolean {
    const known = this.#known.get(name);
    const user = known && firstOf(known.users);
    this.#index(name, user && allBackendsBehind(user.frontend, user.kind));
    if (!user) {
      this.#known.delete(name);
      return this.#clusters.delete(name);
    }
    const isFrontend = ({ address, port }: Place) =>
      this.#frontends.get(address)?.has(port) === true;
    const cluster = udpClusterOf(user.frontend, user.kind, isFrontend);
    if (isSame(cluster, this.#clusters.get(name))) return false;
    this.#clusters.set(name, cluster);
    return true;
  }

  #index(name: string, backends: readonly Backend[] = []): void {
    const known = this.#known.get(name);
    if (!known) return;
    const { gone, come } = backendDifference(known.backends, backends);
    for (const backend of gone) this.#leave(textOf(backend), name);
    for (const place of come.map(textOf)) {
      const clusters = this.#byPlace.get(place) ?? new Set();
      this.#byPlace.set(place, clusters.add(name));
    }
    known.backends = backends;
  }

  #leave(place: string, name: string): void {
    const clusters = this.#byPlace.get(place);
    clusters?.delete(name);
    if (clusters?.size === 0) this.#byPlace.delete(place);
  }
}

function isSame(a: UdpCluster, b: UdpCluster | undefined): boolean {
  if (!b || a.hasAffinity !== b.hasAffinity || a.takesTurns !== b.takesTurns) return false;
  return areSameBackends(a.backends, b.backends) && areSameBackends(a.leaving, b.leaving);
}

/** "10.1.1.10 53" */
function textOf({ address, port }: Place): string {
  return `${address} ${port}`;
}

/** Returns the first by key, so that the order in which they came does not matter. */
function firstOf(users: ReadonlyMap<FrontendKey, User>): User | undefined {
  const [first] = [...users.keys()].sort();
  return first === undefined ? undefined : users.get(first);
}
