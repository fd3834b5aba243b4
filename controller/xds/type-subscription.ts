// What a stream knows about one resource type, in either of the two protocols in which Envoy may
// ask: world-subscription.ts (state of the world) and delta-subscription.ts (incremental). Envoy's
// bootstrap decides which one, and an Envoy keeps its bootstrap for its whole life.

import type { EncodedResource } from "./snapshot.ts";

/**
 * All resources of a type, by name. The same object while nothing in it changes, except what
 * `TypeSubscription.changed` names; in another object anything may differ.
 */
export type Resources = ReadonlyMap<string, EncodedResource>;

export interface Answer {
  typeUrl: string;
  /** The version of the whole; incremental answers have one only for Envoy's log. */
  version: string;
  nonce: string;
  resources: readonly EncodedResource[];
  /** Names that Envoy must remove; absent in a state of the world, which omits them instead. */
  removed?: readonly string[];
}

export interface Refusal {
  typeUrl: string;
  /** Names that the refused answer added or removed; `detail` says which one is at fault. */
  names: readonly string[];
  /** Envoy's error message. */
  detail: string;
}

export interface TypeSubscription<Request> {
  readonly typeUrl: string;
  /** Whether Envoy has accepted nothing of this type yet, from this or an earlier controller. */
  readonly isFirst: boolean;
  /** Whether Envoy had none of this type when it opened this stream. */
  readonly wasEmpty: boolean;
  receive(request: Request): void;
  /** Returns the answer that is due now; it counts as sent. */
  takeAnswer(wanted: Resources, nonce: string): Answer | undefined;
  /** Reports whether Envoy acknowledged what it should have, or did not ask for it. */
  isSettled(wanted: Resources): boolean;
  /** Returns Envoy's refusal of what it should have; undefined when it did not refuse that. */
  refusal(wanted: Resources): Refusal | undefined;
  /** Offers Envoy again what it refused. */
  retry(): void;
  /** Reports whether Envoy asks for all of these by name. */
  asksForAll(wanted: Resources): boolean;
  /** Resources of these names changed, appeared or went. */
  changed(names: Iterable<string>): void;
  /** Envoy lost these: sends them again if it should have them. */
  forget(names: Iterable<string>): void;
  /** Envoy may have these without having said so: removes those that it should not have. */
  suspect(names: Iterable<string>): void;
}
