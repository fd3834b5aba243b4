// What one Envoy wants and has of one resource type: requests in, the next answer out. State of the
// world, xDS transport protocol "SotW"; no I/O.

import type { EncodedResource, Selection } from "./snapshot.ts";
import { isSentInParts, isWildcard } from "./type-urls.ts";

/** The parts of a DiscoveryRequest that matter here. */
export interface DiscoveryRequest {
  typeUrl: string;
  names: readonly string[];
  /** Version that Envoy holds; empty when none. */
  version: string;
  /** Nonce of the answer that this acknowledges or refuses; empty on a stream's first request. */
  nonce: string;
  /** Why Envoy refuses the answer; undefined when it does not. */
  refusal: string | undefined;
}

export interface Subscription {
  readonly typeUrl: string;
  readonly names: readonly string[];
  /** Version that Envoy holds; empty when none. */
  readonly accepted: string;
  /** The answer that Envoy has not replied to yet. */
  readonly pending: { readonly wanted: Selection; readonly nonce: string } | undefined;
  /** What Envoy has, if known; for types that are sent in parts. */
  readonly held: Selection | undefined;
  /** The last answer, when Envoy refused it. */
  readonly refused: { readonly version: string; readonly detail: string } | undefined;
  /** Nonce of the last answer on this stream; empty before the first. */
  readonly lastNonce: string;
}

/** Returns the subscription that the first request of a type on a stream opens. */
export function openSubscription(request: DiscoveryRequest): Subscription {
  return {
    typeUrl: request.typeUrl,
    names: request.names,
    accepted: request.version,
    pending: undefined,
    held: undefined,
    refused: undefined,
    lastNonce: "",
  };
}

/**
 * Returns the subscription after a later request. A reply to an older answer than the last changes
 * nothing: Envoy replies to the last one too, with the names that it then wants.
 */
export function receive(subscription: Subscription, request: DiscoveryRequest): Subscription {
  if (request.nonce !== subscription.lastNonce) return subscription;
  const { pending } = subscription;
  const named = { ...subscription, names: request.names };
  if (!pending) {
    return asksAgain(subscription, request) ? { ...named, accepted: "", held: undefined } : named;
  }
  const { wanted } = pending;
  if (request.refusal === undefined) {
    return {
      ...named,
      accepted: wanted.version,
      pending: undefined,
      held: isSentInParts(request.typeUrl) ? wanted : undefined,
      refused: undefined,
    };
  }
  const refused = { version: wanted.version, detail: request.refusal };
  // It may have been applied in part.
  return { ...named, pending: undefined, held: undefined, refused };
}

/**
 * An Envoy whose cluster changed wants its endpoints again. It then asks for the names that it
 * asked for before, or for more.
 */
function asksAgain({ typeUrl, names }: Subscription, request: DiscoveryRequest): boolean {
  if (!isSentInParts(typeUrl)) return false;
  const before = new Set(names);
  const asksForLess =
    request.names.length < before.size && request.names.every((name) => before.has(name));
  return !asksForLess;
}

/** Returns the subscription after an answer was sent. */
export function answered(
  subscription: Subscription,
  wanted: Selection,
  nonce: string,
): Subscription {
  return { ...subscription, pending: { wanted, nonce }, refused: undefined, lastNonce: nonce };
}

/** Sends again what Envoy refused: it may have lacked something that it can have now. */
export function retried(subscription: Subscription): Subscription {
  return { ...subscription, refused: undefined };
}

/**
 * Returns what an answer must hold. For types that are sent in parts, what Envoy does not have yet:
 * what is left out stays unchanged in Envoy. For others everything.
 */
export function partToSend(subscription: Subscription, wanted: Selection): EncodedResource[] {
  const { held } = subscription;
  if (!held) return [...wanted.resources];
  const present = new Map(held.resources.map(({ name, value }) => [name, value]));
  return wanted.resources.filter(({ name, value }) => !present.get(name)?.equals(value));
}

/**
 * Reports whether to send Envoy the selection now. Not what it has, what it refused, nor anything
 * before its reply to the last answer. A type that is asked for by name gets no empty answer: that
 * would be of no use to Envoy, which waits for the names to exist.
 */
export function needsAnswer(subscription: Subscription, wanted: Selection): boolean {
  if (subscription.pending || isSettled(subscription, wanted)) return false;
  return subscription.refused?.version !== wanted.version;
}

/** Reports whether Envoy has acknowledged the selection, or there is nothing to acknowledge. */
export function isSettled(subscription: Subscription, wanted: Selection): boolean {
  if (subscription.pending) return false;
  if (wanted.resources.length === 0 && !isWildcard(subscription.typeUrl)) return true;
  if (subscription.refused) return false;
  if (subscription.accepted === wanted.version) return true;
  return subscription.held !== undefined && partToSend(subscription, wanted).length === 0;
}
