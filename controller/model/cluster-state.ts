// The cluster as Portico knows it: the one mutable store. Events from a watch, or whole lists, go
// in; which Services may have another view than before comes out. It decides nothing.

import { Interner } from "./intern.ts";
import { sameData } from "./same-data.ts";
import {
  type EndpointSlice,
  KINDS,
  type Kind,
  type KindTypes,
  type Node,
  type ObjectKey,
  type Service,
  type ServiceCIDR,
} from "./types.ts";

/** What happened since the last takeChanges(). */
export interface Changes {
  /** Services that changed, appeared or went, or whose EndpointSlices did. */
  services: Set<ObjectKey>;
  /** Names of the Nodes that changed, appeared or went. */
  nodes: Set<string>;
  serviceCIDRs: boolean;
}

/** Told of every object that really changed, appeared (no `before`) or went (no `after`). */
export type ChangeListener = <K extends Kind>(
  kind: K,
  before: KindTypes[K] | undefined,
  after: KindTypes[K] | undefined,
) => void;

type Stores = { [K in Kind]: Map<ObjectKey, KindTypes[K]> };

export class ClusterState {
  readonly #stores: Stores = {
    Service: new Map(),
    EndpointSlice: new Map(),
    Node: new Map(),
    ServiceCIDR: new Map(),
  };
  /** Service key → its slices by name. */
  readonly #slices = new Map<ObjectKey, Map<string, EndpointSlice>>();
  readonly #synced = new Set<Kind>();
  readonly #interner = new Interner();
  readonly #changed: ChangeListener;
  #changes = noChanges();

  constructor(changed: ChangeListener = () => {}) {
    this.#changed = changed;
  }

  get services(): ReadonlyMap<ObjectKey, Service> {
    return this.#stores.Service;
  }

  /** By "namespace/name" of the slice. */
  get endpointSlices(): ReadonlyMap<ObjectKey, EndpointSlice> {
    return this.#stores.EndpointSlice;
  }

  get nodes(): ReadonlyMap<string, Node> {
    return this.#stores.Node;
  }

  get serviceCIDRs(): ReadonlyMap<string, ServiceCIDR> {
    return this.#stores.ServiceCIDR;
  }

  /** Sorted by name, so that the order of events leaves no trace. */
  slicesOf(service: ObjectKey): EndpointSlice[] {
    const slices = this.#slices.get(service);
    if (!slices) return [];
    return [...slices.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Whether this kind was listed whole once; of all kinds when none is named. */
  isSynced(kind?: Kind): boolean {
    return kind ? this.#synced.has(kind) : KINDS.every((each) => this.#synced.has(each));
  }

  /** The object is the store's from now on: the caller must not change it any more. */
  upsert<K extends Kind>(kind: K, object: KindTypes[K]): void {
    const store: Map<ObjectKey, KindTypes[K]> = this.#stores[kind];
    const key = objectKey(object);
    const before = store.get(key);
    if (before !== undefined && sameData(before, object)) return;
    if (kind === "EndpointSlice") this.#internSlice(object as EndpointSlice);
    store.set(key, object);
    this.#note(kind, before, object);
  }

  /** Removing what is not there is no change. */
  remove(kind: Kind, key: ObjectKey): void {
    const store: Map<ObjectKey, KindTypes[Kind]> = this.#stores[kind];
    const before = store.get(key);
    if (before === undefined) return;
    store.delete(key);
    this.#note(kind, before, undefined);
  }

  /** A whole list of a kind: what is not in it is gone. The kind is synced from now on. */
  replaceAll<K extends Kind>(kind: K, objects: Iterable<KindTypes[K]>): void {
    const gone = new Set<ObjectKey>(this.#stores[kind].keys());
    for (const object of objects) {
      gone.delete(objectKey(object));
      this.upsert(kind, object);
    }
    for (const key of gone) this.remove(kind, key);
    this.#synced.add(kind);
  }

  /** What changed since the last call, and begins anew. */
  takeChanges(): Changes {
    const changes = this.#changes;
    this.#changes = noChanges();
    return changes;
  }

  #note(kind: Kind, before: KindTypes[Kind] | undefined, after: KindTypes[Kind] | undefined) {
    const object = after ?? before;
    if (object === undefined) return;
    this.#changed(kind, before, after);
    if (kind === "Service") this.#changes.services.add(objectKey(object));
    else if (kind === "Node") this.#changes.nodes.add(object.name);
    else if (kind === "ServiceCIDR") this.#changes.serviceCIDRs = true;
    else this.#indexSlice(before as EndpointSlice | undefined, after as EndpointSlice | undefined);
  }

  /** A slice may move to another Service: its label is not immutable. */
  #indexSlice(before: EndpointSlice | undefined, after: EndpointSlice | undefined): void {
    if (before) {
      const service = serviceKeyOf(before);
      const slices = this.#slices.get(service);
      slices?.delete(before.name);
      if (slices?.size === 0) this.#slices.delete(service);
      this.#changes.services.add(service);
    }
    if (after && after.serviceName !== "") {
      const service = serviceKeyOf(after);
      const slices = this.#slices.get(service) ?? new Map<string, EndpointSlice>();
      this.#slices.set(service, slices.set(after.name, after));
      this.#changes.services.add(service);
    }
  }

  #internSlice(slice: EndpointSlice): void {
    slice.namespace = this.#interner.text(slice.namespace);
    for (const port of slice.ports) port.name = this.#interner.text(port.name);
    for (const endpoint of slice.endpoints) {
      endpoint.nodeName = this.#interner.text(endpoint.nodeName);
      endpoint.zone = this.#interner.text(endpoint.zone);
    }
  }
}

/** "namespace/name", or "name" of an object that has no namespace. */
export function objectKey(object: { namespace?: string; name: string }): ObjectKey {
  return object.namespace === undefined ? object.name : `${object.namespace}/${object.name}`;
}

function serviceKeyOf(slice: EndpointSlice): ObjectKey {
  return `${slice.namespace}/${slice.serviceName}`;
}

function noChanges(): Changes {
  return { services: new Set(), nodes: new Set(), serviceCIDRs: false };
}
