// One resource type of a stream in the state-of-the-world protocol: an answer holds everything that
// Envoy should have of the type (except endpoints), which Envoy processes each time. For Envoys
// that an earlier version of Portico started; subscription.ts has the rules.

import { EMPTY_SELECTION, type Selection, selectResources } from "./snapshot.ts";
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
import type { Answer, Refusal, Resources, TypeSubscription } from "./type-subscription.ts";

export class WorldSubscription implements TypeSubscription<DiscoveryRequest> {
  readonly typeUrl: string;
  readonly wasEmpty: boolean;
  #state: Subscription;
  /** The last selection, and what it was made from, until that changes: every request needs it. */
  #last: { wanted: Resources; names: readonly string[]; selection: Selection } | undefined;

  /** Takes the first request of the type on the stream. */
  constructor(request: DiscoveryRequest) {
    this.typeUrl = request.typeUrl;
    this.wasEmpty = request.version === "" || request.version === EMPTY_SELECTION.version;
    this.#state = openSubscription(request);
  }

  get isFirst(): boolean {
    return this.#state.accepted === "";
  }

  receive(request: DiscoveryRequest): void {
    this.#state = receive(this.#state, request);
  }

  takeAnswer(wanted: Resources, nonce: string): Answer | undefined {
    const selection = this.#select(wanted);
    if (!needsAnswer(this.#state, selection)) return undefined;
    const resources = partToSend(this.#state, selection);
    this.#state = answered(this.#state, selection, nonce);
    return { typeUrl: this.typeUrl, nonce, version: selection.version, resources };
  }

  isSettled(wanted: Resources): boolean {
    return isSettled(this.#state, this.#select(wanted));
  }

  refusal(wanted: Resources): Refusal | undefined {
    const selection = this.#select(wanted);
    if (this.#state.refused?.version !== selection.version) return undefined;
    const names = selection.resources.map(({ name }) => name);
    return { typeUrl: this.typeUrl, names, detail: this.#state.refused.detail };
  }

  retry(): void {
    this.#state = retried(this.#state);
  }

  asksForAll(wanted: Resources): boolean {
    const asked = new Set(this.#state.names);
    return [...wanted.keys()].every((name) => asked.has(name));
  }

  /** An answer holds everything, whatever changed. */
  changed(): void {
    this.#last = undefined;
  }

  /** Does nothing: an Envoy that lost something asks for it again. */
  forget(): void {}

  /** Does nothing: Envoy removes what is not in an answer. */
  suspect(): void {}

  #select(wanted: Resources): Selection {
    const { names } = this.#state;
    if (this.#last?.wanted !== wanted || this.#last.names !== names) {
      this.#last = { wanted, names, selection: selectResources(this.typeUrl, wanted, names) };
    }
    return this.#last.selection;
  }
}
