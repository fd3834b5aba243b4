// The cluster as Portico knows it: the one mutable store. Events from a watch, or whole lists, go
// in; the Services whose view may have changed come out. It decides nothing.

import { Interner } from "./intern.ts";
import { sameData } from "./same-data.ts";
import { EndpointStore } from "./stored-endpoint.ts";
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

/** What changed since the last takeChanges(). */
export interface Changes {
  /** Services that changed, appeared or were removed, or whose EndpointSlices did. */
  services: Set<ObjectKey>;
  /** Names of the Nodes that changed, appeared or were removed. */
  nodes: Set<string>;
  serviceCIDRs: boolean;
}

/** Called for each object that really changed, appeared (no `before`) or went (no `after`). */
type ChangeListener = <K extends Kind>(
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
  /** Service key → its slices, sorted by name; a change replaces the array. */
  readonly #slices = new Map<ObjectKey, readonly EndpointSlice[]>();
  readonly #synced = new Set<Kind>();
  readonly #interner = new Interner();
  readonly #endpoints = new EndpointStore();
  /** A Service and its slices name the same key, and whoever takes changes keeps it. */
  readonly #serviceKeys = new Interner();
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

  /** Returns them sorted by name, so that the order of events does not matter. */
  slicesOf(service: ObjectKey): readonly EndpointSlice[] {
    return this.#slices.get(service) ?? [];
  }

  /** Reports whether this kind was listed completely once; without `kind`, all kinds. */
  isSynced(kind?: Kind): boolean {
    return kind ? this.#synced.has(kind) : KINDS.every((each) => this.#synced.has(each));
  }

  /** The store owns the object from now on: the caller must not change it any more. */
  upsert<K extends Kind>(kind: K, object: KindTypes[K]): void {
    const store: Map<ObjectKey, KindTypes[K]> = this.#stores[kind];
    const key = objectKey(object);
    const before = store.get(key);
    if (kind === "EndpointSlice") {
      this.#internSlice(object as EndpointSlice, before as EndpointSlice | undefined);
    }
    if (before !== undefined && sameData(before, object)) return;
    store.set(key, object);
    this.#note(kind, before, object);
  }

  /** Removing what is not there changes nothing. */
  remove(kind: Kind, key: ObjectKey): void {
    const store: Map<ObjectKey, KindTypes[Kind]> = this.#stores[kind];
    const before = store.get(key);
    if (before === undefined) return;
    store.delete(key);
    this.#note(kind, before, undefined);
  }

  /** Takes a whole list of a kind: what is not in it is gone. The kind is synced from now on. */
  replaceAll<K extends Kind>(kind: K, objects: Iterable<KindTypes[K]>): void {
    const gone = new Set<ObjectKey>(this.#stores[kind].keys());
    for (const object of objects) {
      gone.delete(objectKey(object));
      this.upsert(kind, object);
    }
    for (const key of gone) this.remove(kind, key);
    this.#synced.add(kind);
  }

  /** Returns what changed since the last call, and starts again from nothing. */
  takeChanges(): Changes {
    const changes = this.#changes;
    this.#changes = noChanges();
    return changes;
  }

  #note(kind: Kind, before: KindTypes[Kind] | undefined, after: KindTypes[Kind] | undefined) {
    const object = after ?? before;
    if (object === undefined) return;
    this.#changed(kind, before, after);
    if (kind === "Service") this.#changes.services.add(this.#serviceKeys.text(objectKey(object)));
    else if (kind === "Node") this.#changes.nodes.add(object.name);
    else if (kind === "ServiceCIDR") this.#changes.serviceCIDRs = true;
    else this.#indexSlice(before as EndpointSlice | undefined, after as EndpointSlice | undefined);
  }

  /** A slice may move to another Service: its label is not immutable. */
  #indexSlice(before: EndpointSlice | undefined, after: EndpointSlice | undefined): void {
    if (before) this.#setSlices(serviceKeyOf(before), before.name, undefined);
    if (after && after.serviceName !== "") this.#setSlices(serviceKeyOf(after), after.name, after);
  }

  #setSlices(key: ObjectKey, name: string, slice: EndpointSlice | undefined): void {
    const service = this.#serviceKeys.text(key);
    this.#changes.services.add(service);
    const others = this.slicesOf(service).filter((each) => each.name !== name);
    const next = slice ? inserted(others, slice) : others;
    if (next.length > 0) this.#slices.set(service, next);
    else this.#slices.delete(service);
  }

  #internSlice(slice: EndpointSlice, before: EndpointSlice | undefined): void {
    slice.namespace = this.#interner.text(slice.namespace);
    for (const port of slice.ports) port.name = this.#interner.text(port.name);
    slice.endpoints = this.#endpoints.storedAll(slice.endpoints, before?.endpoints);
  }
}

function inserted(slices: readonly EndpointSlice[], slice: EndpointSlice): EndpointSlice[] {
  const place = slices.findIndex(({ name }) => name > slice.name);
  return place < 0 ? [...slices, slice] : slices.toSpliced(place, 0, slice);
}

/** Returns "namespace/name", or "name" for an object without a namespace. */
export function objectKey(object: { namespace?: string; name: string }): ObjectKey {
  return object.namespace === undefined ? object.name : `${object.namespace}/${object.name}`;
}

function serviceKeyOf(slice: EndpointSlice): ObjectKey {
  return `${slice.namespace}/${slice.serviceName}`;
}

function noChanges(): Changes {
  return { services: new Set(), nodes: new Set(), serviceCIDRs: false };
}
