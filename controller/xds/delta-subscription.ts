// One resource type of a stream in the incremental protocol ("delta xDS"): an answer holds what
// changed, by name, and the names of what is removed. No I/O.
//
// It tracks what Envoy has by name and version. Versions are hashes of the content, so an Envoy
// that reconnects to another controller gets only the difference. Envoy may have applied part of
// what it refused, and does not say which part: afterwards everything in that answer is unknown.

import { type EncodedResource, resourceVersion } from "./snapshot.ts";
import type { Answer, Refusal, Resources, TypeSubscription } from "./type-subscription.ts";
import { isWildcard } from "./type-urls.ts";

/** The parts of a DeltaDiscoveryRequest that matter here. */
export interface DeltaRequest {
  typeUrl: string;
  /** Names that Envoy asks for from now on, or again; and no longer. */
  subscribed: readonly string[];
  unsubscribed: readonly string[];
  /** Versions of what Envoy has; only in the first request of a stream. */
  present: ReadonlyMap<string, string>;
  /** Nonce of the answer that this acknowledges or refuses; empty when it does neither. */
  nonce: string;
  /** Why Envoy refuses the answer; undefined when it does not. */
  refusal: string | undefined;
}

/** Versions by name. */
type Versions = Map<string, string>;

interface Sent {
  nonce: string;
  versions: Versions;
  removed: Set<string>;
}

interface Difference {
  /** Names of what Envoy lacks or has in another version, and of what it should not have. */
  changed: readonly string[];
  removed: readonly string[];
}

/** The version of what may be there or not, in any version. */
const UNKNOWN = "?";

export class DeltaSubscription implements TypeSubscription<DeltaRequest> {
  readonly typeUrl: string;
  readonly wasEmpty: boolean;
  /** Names that Envoy asked for. */
  readonly #names = new Set<string>();
  /** What Envoy has. */
  readonly #held: Versions;
  #hasAccepted: boolean;
  /** Whether Envoy waits for a first answer, which may be empty: for wildcard types. */
  #owesFirst: boolean;
  #pending: Sent | undefined;
  #refused: (Sent & { detail: string }) | undefined;
  /** What Envoy was last compared with. */
  #wanted: Resources | undefined;
  /** Names in which Envoy may differ from that; all others are the same. */
  readonly #open = new Set<string>();
  /** Names in it that Envoy does not ask for. */
  readonly #unasked = new Set<string>();
  /** The last computed difference, until anything changes. */
  #last: Difference | undefined;

  /** Takes the first request of the type on the stream. */
  constructor(request: DeltaRequest) {
    this.typeUrl = request.typeUrl;
    this.wasEmpty = request.present.size === 0;
    this.#held = new Map(request.present);
    this.#hasAccepted = !this.wasEmpty;
    this.#owesFirst = this.wasEmpty && isWildcard(request.typeUrl);
    for (const name of request.subscribed) this.#names.add(name);
  }

  get isFirst(): boolean {
    return !this.#hasAccepted;
  }

  receive({ subscribed, unsubscribed, nonce, refusal }: DeltaRequest): void {
    // Envoy may have lost what it asks for again.
    this.forget(subscribed);
    for (const name of subscribed) this.#names.add(name);
    for (const name of unsubscribed) {
      this.#names.delete(name);
      if (!isWildcard(this.typeUrl)) this.forget([name]);
    }
    if (nonce === "" || nonce !== this.#pending?.nonce) return;
    const sent = this.#pending;
    this.#pending = undefined;
    if (refusal === undefined) this.#accept(sent);
    else this.#refuse(sent, refusal);
  }

  takeAnswer(wanted: Resources, nonce: string): Answer | undefined {
    if (this.#pending) return undefined;
    const { changed, removed } = this.#withoutRefused(wanted);
    if (changed.length + removed.length === 0 && !this.#owesFirst) return undefined;
    const resources = changed.flatMap((name) => wanted.get(name) ?? []);
    const versions = new Map(resources.map((each) => [each.name, resourceVersion(each)]));
    this.#pending = { nonce, versions, removed: new Set(removed) };
    this.#owesFirst = false;
    return { typeUrl: this.typeUrl, version: nonce, nonce, resources, removed };
  }

  isSettled(wanted: Resources): boolean {
    if (this.#pending || this.#owesFirst) return false;
    const { changed, removed } = this.#difference(wanted);
    return changed.length + removed.length === 0;
  }

  refusal(wanted: Resources): Refusal | undefined {
    if (!this.#refused || this.#pending) return undefined;
    const all = this.#difference(wanted);
    const left = this.#withoutRefused(wanted);
    const isWanted =
      all.changed.length > left.changed.length || all.removed.length > left.removed.length;
    if (!isWanted) return undefined;
    const { versions, removed, detail } = this.#refused;
    const names = [...(versions.size > 0 ? versions.keys() : removed)];
    return { typeUrl: this.typeUrl, names, detail };
  }

  retry(): void {
    this.#refused = undefined;
  }

  asksForAll(wanted: Resources): boolean {
    this.#difference(wanted);
    return this.#unasked.size === 0;
  }

  changed(names: Iterable<string>): void {
    this.#last = undefined;
    for (const name of names) this.#open.add(name);
  }

  forget(names: Iterable<string>): void {
    this.changed(names);
    for (const name of names) {
      this.#held.delete(name);
      this.#pending?.versions.delete(name);
    }
  }

  suspect(names: Iterable<string>): void {
    this.changed(names);
    for (const name of names) if (!this.#held.has(name)) this.#held.set(name, UNKNOWN);
  }

  #accept({ versions, removed }: Sent): void {
    this.changed(versions.keys());
    this.changed(removed);
    for (const [name, version] of versions) this.#held.set(name, version);
    for (const name of removed) this.#held.delete(name);
    this.#hasAccepted = true;
  }

  #refuse(sent: Sent, detail: string): void {
    const names = [...sent.versions.keys(), ...sent.removed];
    this.changed(names);
    for (const name of names) this.#held.set(name, UNKNOWN);
    this.#refused = { ...sent, detail };
  }

  /** Looks only at names that may differ; at all when `wanted` is another object than before. */
  #difference(wanted: Resources): Difference {
    if (this.#wanted !== wanted) this.#openAll(wanted);
    if (this.#last) return this.#last;
    const changed: string[] = [];
    const removed: string[] = [];
    for (const name of this.#open) {
      const resource = this.#resourceFor(name, wanted);
      if (resource && this.#held.get(name) !== resourceVersion(resource)) changed.push(name);
      else if (!resource && this.#mustGo(name)) removed.push(name);
      else this.#open.delete(name);
    }
    this.#last = { changed, removed };
    return this.#last;
  }

  #openAll(wanted: Resources): void {
    this.#wanted = wanted;
    this.#unasked.clear();
    this.#open.clear();
    for (const names of [wanted.keys(), this.#names, this.#held.keys()]) this.changed(names);
  }

  /** Returns what Envoy should have under a name, if it should have anything. */
  #resourceFor(name: string, wanted: Resources): EncodedResource | undefined {
    const resource = wanted.get(name);
    if (isWildcard(this.typeUrl)) return resource;
    const isAsked = this.#names.has(name);
    if (resource && !isAsked) this.#unasked.add(name);
    else this.#unasked.delete(name);
    return isAsked ? resource : undefined;
  }

  /**
   * Reports whether Envoy should lose what it has under a name. Nothing of a type that is asked for
   * by name: a removed cluster takes its endpoints with it, and a filter that is not set stays as
   * it is until it is set.
   */
  #mustGo(name: string): boolean {
    return isWildcard(this.typeUrl) && this.#held.has(name);
  }

  /** Leaves out what Envoy refused, until it changes. */
  #withoutRefused(wanted: Resources): Difference {
    const difference = this.#difference(wanted);
    const refused = this.#refused;
    if (!refused) return difference;
    const isRefused = (name: string) => {
      const resource = wanted.get(name);
      return resource && refused.versions.get(name) === resourceVersion(resource);
    };
    return {
      changed: difference.changed.filter((name) => !isRefused(name)),
      removed: difference.removed.filter((name) => !refused.removed.has(name)),
    };
  }
}
