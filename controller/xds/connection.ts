// One Envoy's stream: its requests in, answers out, and the gate before its listeners. Knows
// neither sockets nor who waits for an answer; server.ts does.
//
// Why a gate: Envoy starts its workers only once its first LDS request was answered, and its table
// can be filled only by its workers; but it must not accept before its table is filled. So a fresh
// Envoy is told at once that it has no listeners, and gets them when it is admitted.

import {
  EMPTY_SELECTION,
  type EncodedResource,
  type Selection,
  selectResources,
} from "./snapshot.ts";
import {
  answered,
  type DiscoveryRequest,
  isSettled,
  needsAnswer,
  openSubscription,
  partToSend,
  receive,
  retried,
  type Subscription,
} from "./subscription.ts";
import { LISTENER_TYPE } from "./type-urls.ts";

/**
 * Resources by name; undefined for a type that is not set: it is not answered. `isFirst`: the Envoy
 * that asks has none of the type yet.
 */
export type ResourceLookup = (
  typeUrl: string,
  isFirst: boolean,
) => ReadonlyMap<string, EncodedResource> | undefined;

interface Selected {
  all: ReadonlyMap<string, EncodedResource>;
  names: readonly string[];
  selection: Selection;
}

export interface Answer {
  typeUrl: string;
  version: string;
  nonce: string;
  resources: readonly EncodedResource[];
}

export interface Refusal {
  typeUrl: string;
  names: string[];
  detail: string;
}

export class XdsConnection {
  /** Unique in this process: a restarted Envoy has another. */
  readonly id: number;
  readonly #resources: ResourceLookup;
  readonly #subscriptions = new Map<string, Subscription>();
  /** What was last selected of each type, and from what: it is asked for with every request. */
  readonly #selected = new Map<string, Selected>();
  #nodeId = "";
  #admitted = false;
  #fresh = true;
  #nextNonce = 1;

  constructor(id: number, resources: ResourceLookup) {
    this.id = id;
    this.#resources = resources;
  }

  get nodeId(): string {
    return this.#nodeId;
  }

  /** Whether it has asked for listeners: only then it is known which it has. */
  get asksForListeners(): boolean {
    return this.#subscriptions.has(LISTENER_TYPE);
  }

  /** Whether it came without listeners: its table has to be filled before it is admitted. */
  get fresh(): boolean {
    return this.#fresh;
  }

  /**
   * Whether it has the listeners that it should have: it was let have them, or came with some, and
   * acknowledged them. One that refused them has to be admitted once more.
   */
  get admitted(): boolean {
    return this.#admitted && this.isSettled(LISTENER_TYPE);
  }

  /** Whether it has no listeners: it came without, and was not let have any. */
  get isEmpty(): boolean {
    return this.#fresh && !this.#admitted;
  }

  admit(): void {
    this.#admitted = true;
  }

  /** Has Envoy asked once more for what it refused of this type. */
  retry(typeUrl: string): void {
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription) this.#subscriptions.set(typeUrl, retried(subscription));
  }

  /** Returns whether it was the first request for listeners: from then on `fresh` is known. */
  receive(request: DiscoveryRequest, nodeId: string): boolean {
    if (nodeId !== "") this.#nodeId = nodeId;
    const { typeUrl } = request;
    const known = this.#subscriptions.get(typeUrl);
    this.#subscriptions.set(typeUrl, known ? receive(known, request) : openSubscription(request));
    if (known || typeUrl !== LISTENER_TYPE) return false;
    this.#fresh = request.version === "" || request.version === EMPTY_SELECTION.version;
    this.#admitted = !this.#fresh;
    return true;
  }

  /** Answers that are due now; each counts as sent. */
  takeAnswers(): Answer[] {
    const answers: Answer[] = [];
    for (const [typeUrl, subscription] of this.#subscriptions) {
      const wanted = this.#wanted(subscription);
      if (!wanted || !needsAnswer(subscription, wanted)) continue;
      const nonce = String(this.#nextNonce++);
      const resources = partToSend(subscription, wanted);
      answers.push({ typeUrl, nonce, version: wanted.version, resources });
      this.#subscriptions.set(typeUrl, answered(subscription, wanted, nonce));
    }
    return answers;
  }

  /** Whether Envoy acknowledged what it should have of this type, or did not ask for it. */
  isSettled(typeUrl: string): boolean {
    const subscription = this.#subscriptions.get(typeUrl);
    const wanted = subscription && this.#wanted(subscription);
    return !wanted || isSettled(subscription, wanted);
  }

  /** Whether Envoy asks for all of these by name. */
  asksFor(typeUrl: string, names: Iterable<string>): boolean {
    const asked = new Set(this.#subscriptions.get(typeUrl)?.names);
    return [...names].every((name) => asked.has(name));
  }

  /** Envoy's refusal of what it should have; undefined when it did not refuse that. */
  refusal(typeUrl: string): Refusal | undefined {
    const subscription = this.#subscriptions.get(typeUrl);
    const wanted = subscription && this.#wanted(subscription);
    if (!wanted || subscription.refused?.version !== wanted.version) return undefined;
    const names = wanted.resources.map(({ name }) => name);
    return { typeUrl, names, detail: subscription.refused.detail };
  }

  #wanted({ typeUrl, names, accepted }: Subscription): Selection | undefined {
    if (typeUrl === LISTENER_TYPE && !this.#admitted) return EMPTY_SELECTION;
    const all = this.#resources(typeUrl, accepted === "");
    if (!all) return undefined;
    const last = this.#selected.get(typeUrl);
    if (last?.all === all && last.names === names) return last.selection;
    const selection = selectResources(typeUrl, all, names);
    this.#selected.set(typeUrl, { all, names, selection });
    return selection;
  }
}
