// Frontends as they change → the listeners and clusters that Envoy should have for UDP, and where
// those are bound. A change costs what the frontends that changed have; only another way to tell
// Pods from other clients concerns all frontends, and makes all again.

import { sameData } from "../model/same-data.ts";
import { LISTENER_KINDS } from "../node/hand-over.ts";
import type { Frontend, FrontendKey } from "../node/types.ts";
import type { UdpBinding, UdpBindings } from "../node/udp-binding.ts";
import { UdpAddressBook } from "../xds/udp-address-book.ts";
import { udpBindingOf } from "../xds/udp-bindings.ts";
import { UdpClusters } from "../xds/udp-clusters.ts";
import {
  listenerRole,
  neededKinds,
  roleOfListener,
  type UdpListener,
  type UdpOptions,
  type UdpTarget,
  udpListenerOf,
} from "../xds/udp-target.ts";

interface Known {
  frontend: Frontend;
  listeners: readonly UdpListener[];
}

export class TargetUdp {
  readonly #known = new Map<FrontendKey, Known>();
  readonly #addresses: UdpAddressBook;
  readonly #listeners = new Map<string, UdpListener>();
  readonly #clusters = new UdpClusters();
  readonly #bindings = new Map<FrontendKey, UdpBinding>();
  #options: UdpOptions | undefined;
  /** Names, since the last takeChanges(). */
  #changed = { listeners: new Set<string>(), clusters: new Set<string>() };

  /**
   * `present`: the UDP listeners that Envoy has from an earlier controller. `others`: those of
   * another Envoy, whose addresses no listener of this one may have.
   */
  constructor(
    present: Iterable<Pick<UdpListener, "name" | "address">>,
    others: UdpBindings = new Map(),
    draw?: (bytes: number) => Uint8Array,
  ) {
    const roles = [...present].flatMap(({ name, address }): [string, string][] => {
      const role = roleOfListener(name, address);
      return role === undefined ? [] : [[role, address]];
    });
    const taken = [...others.values()].flatMap(({ bound }) => Object.values(bound));
    this.#addresses = new UdpAddressBook(roles, taken, draw);
  }

  /** Unchanged listeners and clusters stay the same objects. */
  readonly target: UdpTarget = {
    listeners: this.#listeners,
    clusters: this.#clusters.all,
    takeChanges: () => {
      const changed = this.#changed;
      this.#changed = { listeners: new Set(), clusters: new Set() };
      return changed;
    },
  };

  /** Where the listeners of each frontend are bound; always the same map, in no order. */
  get bindings(): UdpBindings {
    return this.#bindings;
  }

  /**
   * Applies a change of the node view; the first one has all frontends. An existing listener stays
   * as long as its frontend, wanted or not: endpoints that come and go, even the last one, must
   * change endpoints only. Returns the frontends whose bindings may differ.
   */
  apply(
    upserted: readonly Frontend[],
    removed: readonly FrontendKey[],
    options: UdpOptions,
  ): FrontendKey[] {
    const isFirst = this.#options === undefined;
    const concernsAll = !isFirst && !sameData(options, this.#options);
    this.#options = options;
    const gone = removed.filter((key) => this.#known.has(key));
    const changed = new Map<FrontendKey, Frontend>();
    if (concernsAll) for (const [key, { frontend }] of this.#known) changed.set(key, frontend);
    for (const key of gone) changed.delete(key);
    for (const each of upserted) if (each.protocol === "UDP") changed.set(each.key, each);
    for (const frontend of [...changed.values()].sort(byKey)) this.#put(frontend, options);
    // After the new ones have their addresses: none gets one that is only just free.
    for (const key of gone) this.#remove(key);
    if (isFirst) this.#forgetOthers();
    for (const name of this.#clusters.renew()) this.#changed.clusters.add(name);
    return [...gone, ...changed.keys()];
  }

  #put(frontend: Frontend, options: UdpOptions): void {
    const { key } = frontend;
    const before = this.#known.get(key);
    if (!before) this.#clusters.addFrontend(frontend);
    const needed = neededKinds(frontend, options);
    const kinds = LISTENER_KINDS.filter((kind) => {
      return needed.includes(kind) || this.#addresses.has(listenerRole(key, kind));
    });
    const listeners = kinds.map((kind) => {
      const address = this.#addresses.assign(listenerRole(key, kind), frontend.address);
      return this.#keepIfSame(udpListenerOf(frontend, kind, address));
    });
    this.#known.set(key, { frontend, listeners });
    const clusters = new Set(listeners.map(({ cluster }) => cluster));
    for (const { cluster } of before?.listeners ?? []) {
      if (!clusters.has(cluster)) this.#clusters.drop(cluster, key);
    }
    for (const { cluster, kind } of listeners) this.#clusters.use(cluster, frontend, kind);
    if (listeners.length > 0) this.#bind(key, udpBindingOf(frontend, listeners));
  }

  #keepIfSame(listener: UdpListener): UdpListener {
    const before = this.#listeners.get(listener.name);
    if (before && sameData(before, listener)) return before;
    this.#listeners.set(listener.name, listener);
    this.#changed.listeners.add(listener.name);
    return listener;
  }

  #bind(key: FrontendKey, binding: UdpBinding): void {
    if (!sameData(binding, this.#bindings.get(key))) this.#bindings.set(key, binding);
  }

  #remove(key: FrontendKey): void {
    const { frontend, listeners } = this.#known.get(key) as Known;
    this.#known.delete(key);
    this.#bindings.delete(key);
    this.#clusters.removeFrontend(frontend);
    for (const { name, cluster, kind } of listeners) {
      this.#listeners.delete(name);
      this.#changed.listeners.add(name);
      this.#clusters.drop(cluster, key);
      this.#addresses.release(listenerRole(key, kind));
    }
  }

  /** Forgets the addresses of listeners whose frontends went with an earlier controller. */
  #forgetOthers(): void {
    const wanted = new Set<string>();
    for (const { frontend, kind } of this.#listeners.values()) {
      wanted.add(listenerRole(frontend, kind));
    }
    for (const role of [...this.#addresses.roles]) {
      if (!wanted.has(role)) this.#addresses.release(role);
    }
  }
}

function byKey(a: Frontend, b: Frontend): number {
  return a.key < b.key ? -1 : 1;
}
