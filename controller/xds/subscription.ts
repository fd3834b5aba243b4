// What one Envoy wants of one resource type and what it has of it: requests in, the next answer
// out. State of the world, xDS transport protocol "SotW"; no I/O.

import type { Selection } from "./snapshot.ts";
import { isWildcard } from "./type-urls.ts";

/** A DiscoveryRequest, as far as it matters here. */
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
  readonly pending: { readonly version: string; readonly nonce: string } | undefined;
  /** The last answer, when Envoy refused it. */
  readonly refused: { readonly version: string; readonly detail: string } | undefined;
  /** Nonce of the last answer on this stream; empty before the first. */
  readonly lastNonce: string;
}

/** The subscription that the first request of a type on a stream opens. */
export function openSubscription(request: DiscoveryRequest): Subscription {
  return {
    typeUrl: request.typeUrl,
    names: request.names,
    accepted: request.version,
    pending: undefined,
    refused: undefined,
    lastNonce: "",
  };
}

/**
 * The subscription after a later request. One that replies to an older answer than the last changes
 * nothing: Envoy replies to the last one too, with the names it then wants.
 */
export function receive(subscription: Subscription, request: DiscoveryRequest): Subscription {
  if (request.nonce !== subscription.lastNonce) return subscription;
  const { pending } = subscription;
  const named = { ...subscription, names: request.names };
  if (!pending) return named;
  if (request.refusal === undefined) {
    return { ...named, accepted: pending.version, pending: undefined, refused: undefined };
  }
  const refused = { version: pending.version, detail: request.refusal };
  return { ...named, pending: undefined, refused };
}

/** The subscription after an answer went out. */
export function answered(subscription: Subscription, version: string, nonce: string): Subscription {
  return { ...subscription, pending: { version, nonce }, refused: undefined, lastNonce: nonce };
}

/**
 * Whether Envoy is to be sent the selection now. It is not sent what it has, what it refused, nor
 * anything before it replied to the last answer. A type that is asked for by name is not answered
 * with nothing: that would tell Envoy nothing, and it waits for the names to exist.
 */
export function needsAnswer(subscription: Subscription, wanted: Selection): boolean {
  if (subscription.pending || isSettled(subscription, wanted)) return false;
  return subscription.refused?.version !== wanted.version;
}

/** Whether Envoy has acknowledged the selection, or there is nothing to acknowledge. */
export function isSettled(subscription: Subscription, wanted: Selection): boolean {
  if (subscription.pending) return false;
  if (subscription.accepted === wanted.version && !subscription.refused) return true;
  return wanted.resources.length === 0 && !isWildcard(subscription.typeUrl);
}
