// What a stream knows of one resource type, in either of the two protocols in which Envoy may ask:
// world-subscription.ts (state of the world) and delta-subscription.ts (incremental). Which one is
// Envoy's bootstrap's decision, and an Envoy keeps its bootstrap for as long as it lives.

import type { EncodedResource } from "./snapshot.ts";

/** All resources of a type, by name; the same object as long as nothing of it changed. */
export type Resources = ReadonlyMap<string, EncodedResource>;

export interface Answer {
  typeUrl: string;
  /** Of the whole; incremental answers have one for Envoy's log alone. */
  version: string;
  nonce: string;
  resources: readonly EncodedResource[];
  /** Names that Envoy is to give up; absent in a state of the world, which says it by omission. */
  removed?: readonly string[];
}

export interface Refusal {
  typeUrl: string;
  /** Of what the refused answer brought, or took; `detail` says which is at fault. */
  names: readonly string[];
  /** Envoy's words. */
  detail: string;
}

export interface TypeSubscription<Request> {
  readonly typeUrl: string;
  /** Whether Envoy has taken nothing of this type yet, of this or an earlier controller. */
  readonly isFirst: boolean;
  /** Whether Envoy had none of this type when it opened this stream. */
  readonly wasEmpty: boolean;
  receive(request: Request): void;
  /** What is due now; it counts as sent. */
  takeAnswer(wanted: Resources, nonce: string): Answer | undefined;
  /** Whether Envoy acknowledged what it should have, or did not ask for it. */
  isSettled(wanted: Resources): boolean;
  /** Envoy's refusal of what it should have; undefined when it did not refuse that. */
  refusal(wanted: Resources): Refusal | undefined;
  /** Has Envoy asked once more for what it refused. */
  retry(): void;
  /** Whether Envoy asks for all of these by name. */
  asksFor(names: Iterable<string>): boolean;
  /** Envoy lost these: they are sent again if it is to have them. */
  forget(names: Iterable<string>): void;
  /** Envoy may have these, though it did not say so: they go if it is not to have them. */
  suspect(names: Iterable<string>): void;
}
