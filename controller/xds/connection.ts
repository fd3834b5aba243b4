// One Envoy's stream: its requests in, answers out, and the gate before its listeners. server.ts
// knows the sockets, and what waits for an answer.
//
// Why a gate: Envoy starts its workers only after the answer to its first LDS request, and only its
// workers can fill its table; but it must not accept connections before its table is filled. So a
// fresh Envoy first gets an answer without listeners, and gets them when it is admitted.

import type { EncodedResource } from "./snapshot.ts";
import type { Answer, Refusal, Resources, TypeSubscription } from "./type-subscription.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE } from "./type-urls.ts";

/**
 * Resources by name; undefined for a type that is not set: it gets no answer. `isFirst`: the Envoy
 * has none of the type yet.
 */
type ResourceLookup = (typeUrl: string, isFirst: boolean) => Resources | undefined;

/** Opens the subscription for the first request of a type, in the stream's protocol. */
type Opener<Request> = (first: Request) => TypeSubscription<Request>;

const NOTHING: Resources = new Map<string, EncodedResource>();

export class XdsConnection<Request extends { typeUrl: string } = never> {
  /** Unique in this process: a restarted Envoy has another. */
  readonly id: number;
  readonly #resources: ResourceLookup;
  readonly #open: Opener<Request>;
  readonly #subscriptions = new Map<string, TypeSubscription<Request>>();
  #nodeId = "";
  #admitted = false;
  #fresh = true;
  #nextNonce = 1;

  constructor(id: number, resources: ResourceLookup, open: Opener<Request>) {
    this.id = id;
    this.#resources = resources;
    this.#open = open;
  }

  get nodeId(): string {
    return this.#nodeId;
  }

  /** Whether it has asked for listeners: only then is it known which it has. */
  get asksForListeners(): boolean {
    return this.#subscriptions.has(LISTENER_TYPE);
  }

  /** Whether it came without listeners: its table must be filled before it is admitted. */
  get fresh(): boolean {
    return this.#fresh;
  }

  /**
   * Whether it has the listeners that it should have: it was admitted, or came with some, and
   * acknowledged them. One that refused them must be admitted again.
   */
  get admitted(): boolean {
    return this.#admitted && this.isSettled(LISTENER_TYPE);
  }

  /** Whether it has no listeners: it came without, and was not admitted. */
  get isEmpty(): boolean {
    return this.#fresh && !this.#admitted;
  }

  admit(): void {
    this.#admitted = true;
  }

  /** Offers Envoy again what it refused of this type. */
  retry(typeUrl: string): void {
    this.#subscriptions.get(typeUrl)?.retry();
  }

  /** Envoy may have these without having said so: removes those that it should not have. */
  suspect(typeUrl: string, names: Iterable<string>): void {
    this.#subscriptions.get(typeUrl)?.suspect(names);
  }

  /** Returns whether this was the first request for listeners: from then on `fresh` is known. */
  receive(request: Request, nodeId: string): boolean {
    if (nodeId !== "") this.#nodeId = nodeId;
    const { typeUrl } = request;
    const known = this.#subscriptions.get(typeUrl);
    if (known) {
      known.receive(request);
      return false;
    }
    const opened = this.#open(request);
    this.#subscriptions.set(typeUrl, opened);
    if (typeUrl !== LISTENER_TYPE) return false;
    this.#fresh = opened.wasEmpty;
    this.#admitted = !this.#fresh;
    return true;
  }

  /** Returns the answers that are due now; each counts as sent. */
  takeAnswers(): Answer[] {
    const answers: Answer[] = [];
    for (const subscription of this.#subscriptions.values()) {
      const wanted = this.#wanted(subscription);
      const answer = wanted && subscription.takeAnswer(wanted, String(this.#nextNonce));
      if (!answer) continue;
      this.#nextNonce++;
      answers.push(answer);
      if (answer.typeUrl === CLUSTER_TYPE) this.#sendEndpointsOf(answer);
    }
    return answers;
  }

  /** Reports whether Envoy acknowledged what it should have of this type, or did not ask for it. */
  isSettled(typeUrl: string): boolean {
    const subscription = this.#subscriptions.get(typeUrl);
    const wanted = subscription && this.#wanted(subscription);
    return !wanted || subscription.isSettled(wanted);
  }

  /** Reports whether Envoy asks by name for all resources of the type. */
  asksForAll(typeUrl: string): boolean {
    const subscription = this.#subscriptions.get(typeUrl);
    const wanted = subscription ? this.#wanted(subscription) : this.#resources(typeUrl, true);
    if (wanted === undefined || wanted.size === 0) return true;
    return subscription?.asksForAll(wanted) ?? false;
  }

  /** Resources of these names changed, appeared or went, in the map that the lookup returns. */
  changed(typeUrl: string, names: readonly string[]): void {
    this.#subscriptions.get(typeUrl)?.changed(names);
  }

  /** Returns Envoy's refusal of what it should have; undefined when it did not refuse that. */
  refusal(typeUrl: string): Refusal | undefined {
    const subscription = this.#subscriptions.get(typeUrl);
    const wanted = subscription && this.#wanted(subscription);
    return wanted && subscription.refusal(wanted);
  }

  /**
   * A cluster that changes waits for its endpoints. In the incremental protocol Envoy does not ask
   * again for endpoints that it asked for before.
   */
  #sendEndpointsOf({ resources }: Answer): void {
    this.#subscriptions.get(ENDPOINTS_TYPE)?.forget(resources.map(({ name }) => name));
  }

  #wanted({ typeUrl, isFirst }: TypeSubscription<Request>): Resources | undefined {
    if (typeUrl === LISTENER_TYPE && !this.#admitted) return NOTHING;
    return this.#resources(typeUrl, isFirst);
  }
}
