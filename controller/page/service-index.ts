// The node view, as it changes → its Services, each with its frontends: what the live page lists,
// searches and counts. Keeps the view's own objects, and what it derives from them until they
// change; reads no clock.

import { addressAndPort } from "../model/ip.ts";
import type { ObjectKey } from "../model/types.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { Frontend, FrontendKey, Verdict } from "../node/types.ts";
import type { ServiceHealth } from "./page-api.ts";

/** Verdicts under which no client reaches a backend. */
const REFUSING: readonly Verdict[] = ["refuse", "drop"];

/** Immutable: a Service that changes gets another one. */
export interface IndexedService {
  key: ObjectKey;
  namespace: string;
  name: string;
  /** Cluster IPs first, then by name. */
  frontends: readonly Frontend[];
  health: ServiceHealth;
  /** "address:port" of every backend → whether it is on this node. */
  backends: ReadonlyMap<string, boolean>;
  localBackends: number;
}

export interface ServiceChange {
  key: ObjectKey;
  before: IndexedService | undefined;
  after: IndexedService | undefined;
}

export class ServiceIndex {
  readonly #services = new Map<ObjectKey, IndexedService>();
  readonly #frontends = new Map<ObjectKey, Map<FrontendKey, Frontend>>();
  readonly #owners = new Map<FrontendKey, ObjectKey>();
  #sorted: readonly IndexedService[] | undefined;

  get(key: ObjectKey): IndexedService | undefined {
    return this.#services.get(key);
  }

  /** Returns them by name; the same array while nothing changes. */
  sorted(): readonly IndexedService[] {
    this.#sorted ??= [...this.#services.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return this.#sorted;
  }

  /** Returns the Services that changed. */
  apply({ upserted, removed }: NodeViewChange): ServiceChange[] {
    const touched = new Set<ObjectKey>();
    for (const key of removed) this.#withdraw(key, touched);
    for (const frontend of upserted) this.#put(frontend, touched);
    return [...touched].sort().map((key) => this.#renew(key));
  }

  /** A frontend may have moved to another Service. */
  #put(frontend: Frontend, touched: Set<ObjectKey>): void {
    const service = `${frontend.namespace}/${frontend.service}`;
    if (this.#owners.get(frontend.key) !== service) this.#withdraw(frontend.key, touched);
    this.#owners.set(frontend.key, service);
    const frontends = this.#frontends.get(service) ?? new Map<FrontendKey, Frontend>();
    frontends.set(frontend.key, frontend);
    this.#frontends.set(service, frontends);
    touched.add(service);
  }

  #withdraw(key: FrontendKey, touched: Set<ObjectKey>): void {
    const service = this.#owners.get(key);
    if (service === undefined) return;
    this.#owners.delete(key);
    const frontends = this.#frontends.get(service);
    frontends?.delete(key);
    if (frontends?.size === 0) this.#frontends.delete(service);
    touched.add(service);
  }

  #renew(key: ObjectKey): ServiceChange {
    const before = this.#services.get(key);
    const frontends = this.#frontends.get(key);
    const after = frontends && indexed(key, [...frontends.values()]);
    if (after) this.#services.set(key, after);
    else this.#services.delete(key);
    this.#sorted = undefined;
    return { key, before, after };
  }
}

const KIND_ORDER = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalIP"];

function indexed(key: ObjectKey, frontends: Frontend[]): IndexedService {
  const [namespace = "", name = ""] = key.split("/");
  frontends.sort(
    (a, b) => KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) || (a.key < b.key ? -1 : 1),
  );
  const backends = new Map<string, boolean>();
  for (const frontend of frontends) {
    for (const { address, port, local } of backendsOf(frontend)) {
      backends.set(addressAndPort(address, port), local);
    }
  }
  const localBackends = [...backends.values()].filter(Boolean).length;
  const health = healthOf(frontends);
  return { key, namespace, name, frontends, health, backends, localBackends };
}

/** Returns all backends that any client may get. */
export function backendsOf({ backends, localBackends }: Frontend): Frontend["backends"] {
  return localBackends.length === 0 ? backends : [...backends, ...localBackends];
}

function healthOf(frontends: readonly Frontend[]): ServiceHealth {
  const closed = frontends.filter(({ verdict }) => REFUSING.includes(verdict)).length;
  if (closed === frontends.length) return "refusing";
  const narrowed = frontends.some(({ verdict }) => verdict === "short-circuit");
  return closed > 0 || narrowed ? "partly" : "serving";
}

/**
 * Reports whether every word is in its name, in one of its frontends, or in one of its backends.
 * Words are lower case; no words match everything.
 */
export function matches(service: IndexedService, words: readonly string[]): boolean {
  return words.every((word) => hasWord(service, word));
}

function hasWord({ key, frontends, backends }: IndexedService, word: string): boolean {
  if (key.includes(word)) return true;
  if (frontends.some((frontend) => frontend.key.toLowerCase().includes(word))) return true;
  for (const backend of backends.keys()) if (backend.includes(word)) return true;
  return false;
}
