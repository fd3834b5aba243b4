// The explanation of one connection, as `portico explain -o json` prints it. Fields are only ever
// added; what is absent does not apply.

import type { LeftOutReason } from "../node/categorize-endpoints.ts";
import type { FrontendKind } from "../node/types.ts";
import type { UsedElement } from "./rule.ts";
import type { TraceStep } from "./trace.ts";

/**
 *    local-pod        a Pod of this node by the local detector
 *    undetected-pod   a Pod of this node by its EndpointSlice, which the kernel's rules take for a
 *                     client from outside where they ask
 *    host             a process of this node, or a Pod of its network
 *    remote-pod       a Pod of another node, by its EndpointSlice
 */
export type ClientKind =
  | "local-pod"
  | "undetected-pod"
  | "host"
  | "remote-pod"
  | "other-node"
  | "outside";

export interface Client {
  address: string;
  kind: ClientKind;
  /** In words, and how that is known. */
  description: string;
}

export interface FrontDoor {
  /** "10.96.0.10:80/TCP" */
  key: string;
  kind: FrontendKind;
  /** "namespace/name" */
  service: string;
  portName: string;
}

/**
 *    served       one of `backends` gets it
 *    refused      ECONNREFUSED at connect; an ICMP error for UDP
 *    dropped      no answer
 *    ended        connect succeeds, and the stream ends at once; UDP: no answer
 *    untouched    none of Portico's business: it goes where it would go without
 *    unreachable  the node has no route to the address
 */
export type Outcome = "served" | "refused" | "dropped" | "ended" | "untouched" | "unreachable";

/** Something that was decided on the way: a policy, hints, affinity, source ranges. */
export interface Decision {
  /** As the field of the Service or the topic is called: "externalTrafficPolicy". */
  name: string;
  value: string;
  /** What that means for this connection. */
  effect: string;
}

export interface ExplainedBackend {
  /** "10.1.1.11:8080" */
  place: string;
  /** "namespace/name"; absent when not known. */
  pod?: string | undefined;
  node?: string | undefined;
  /** The client's address that it sees. */
  source: string;
  /**
   * hairpin: it would be its own, so it is the node's. bridge: it is the node's too, as the backend
   * would answer the client past the node.
   */
  sourceIs: "kept" | "masqueraded" | "hairpin" | "bridge";
  /** What the node's own rules do with Envoy's connection, if it does not go out. */
  blocked?: "refuse" | "drop" | undefined;
  /**
   * Within how many seconds this client has to come back to go on with it, by session affinity;
   * absent when it is not the one.
   */
  rememberedSeconds?: number | undefined;
}

export interface LeftOut {
  place: string;
  pod?: string | undefined;
  node?: string | undefined;
  reason: LeftOutReason | "other-family" | "headless-label" | "no-such-port" | "front-door";
  /** In words. */
  why: string;
}

export interface KernelPart {
  /** Of the map of frontends, for what was dialled; absent when it has none. */
  element?: UsedElement | undefined;
  /** The rule that decided, "chain: rule"; absent when none did. */
  rule?: string | undefined;
  /** Every rule that matched, in order. */
  steps: TraceStep[];
}

export interface Explanation {
  from: Client;
  /** "10.96.0.10:80/TCP" */
  to: string;
  outcome: Outcome;
  /** One sentence. */
  summary: string;
  /** Where the data plane and what the controller knows differ; empty when all is well. */
  disagreements: string[];
  /** Null when what was dialled is no front door of this node. */
  frontDoor: FrontDoor | null;
  /** Front doors that may have been meant, each in words; only when there is none. */
  nearMisses: string[];
  kernel: KernelPart;
  /** Envoy's listener that gets the connection; absent when none does. */
  listener?: string | undefined;
  /** Of a UDP listener: Envoy's cluster behind it. */
  cluster?: string | undefined;
  decisions: Decision[];
  /** In the order of Envoy's list; one is picked by lot, unless a decision says otherwise. */
  backends: ExplainedBackend[];
  leftOut: LeftOut[];
  notes: string[];
}
