// One resource type of a stream in the incremental protocol ("delta xDS"): an answer holds what
// changed, by name, and names what goes. No I/O.
//
// What Envoy has is known by name and version. Versions are hashes of the content, so an Envoy that
// reconnects to another controller is sent the difference. What Envoy refused may have been applied
// in part, and Envoy does not say which part: of all in that answer, nothing is known afterwards.

import { resourceVersion } from "./snapshot.ts";
import type { Answer, Refusal, Resources, TypeSubscription } from "./type-subscription.ts";
import { isWildcard } from "./type-urls.ts";

/** A DeltaDiscoveryRequest, as far as it matters here. */
export interface DeltaRequest {
  typeUrl: string;
  /** Names that Envoy asks for from now on, or once more; and no longer. */
  subscribed: readonly string[];
  unsubscribed: readonly string[];
  /** Versions of what Envoy has, in the first request of a stream alone. */
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
  /** Names of what Envoy lacks or has in another version, and of what it is not to have. */
  changed: readonly string[];
  removed: readonly string[];
}

/** Of what may be there or not, in whatever version. */
const UNKNOWN = "?";

export class DeltaSubscription implements TypeSubscription<DeltaRequest> {
  readonly typeUrl: string;
  readonly wasEmpty: boolean;
  /** Asked for by name. */
  readonly #names = new Set<string>();
  /** What Envoy has. */
  readonly #held: Versions;
  #hasAccepted: boolean;
  /** Whether Envoy waits for a first answer, which may be empty: for wildcard types. */
  #owesFirst: boolean;
  #pending: Sent | undefined;
  #refused: (Sent & { detail: string }) | undefined;
  /** The difference to what was last asked about, until anything changes. */
  #last: { wanted: Resources; difference: Difference } | undefined;

  /** The first request of the type on the stream. */
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
    this.#last = undefined;
    // Envoy may have lost what it asks for once more.
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

  asksFor(names: Iterable<string>): boolean {
    for (const name of names) if (!this.#names.has(name)) return false;
    return true;
  }

  forget(names: Iterable<string>): void {
    this.#last = undefined;
    for (const name of names) {
      this.#held.delete(name);
      this.#pending?.versions.delete(name);
    }
  }

  suspect(names: Iterable<string>): void {
    this.#last = undefined;
    for (const name of names) if (!this.#held.has(name)) this.#held.set(name, UNKNOWN);
  }

  #accept({ versions, removed }: Sent): void {
    for (const [name, version] of versions) this.#held.set(name, version);
    for (const name of removed) this.#held.delete(name);
    this.#hasAccepted = true;
  }

  #refuse(sent: Sent, detail: string): void {
    for (const name of [...sent.versions.keys(), ...sent.removed]) this.#held.set(name, UNKNOWN);
    this.#refused = { ...sent, detail };
  }

  /**
   * Nothing is removed of a type that is asked for by name: a cluster that goes takes its endpoints
   * along, and a filter that is not set stays as it is until it is.
   */
  #difference(wanted: Resources): Difference {
    if (this.#last?.wanted === wanted) return this.#last.difference;
    const changed: string[] = [];
    const removed: string[] = [];
    for (const name of isWildcard(this.typeUrl) ? wanted.keys() : this.#names) {
      const resource = wanted.get(name);
      if (resource && this.#held.get(name) !== resourceVersion(resource)) changed.push(name);
    }
    if (isWildcard(this.typeUrl)) {
      for (const name of this.#held.keys()) if (!wanted.has(name)) removed.push(name);
    }
    this.#last = { wanted, difference: { changed, removed } };
    return this.#last.difference;
  }

  /** What Envoy refused is not sent again as it was. */
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
