// The explanation of one connection, as `portico explain -o json` prints it. Fields are only added,
// never changed or removed; an absent field does not apply.

import type { LeftOutReason } from "../node/categorize-endpoints.ts";
import type { FrontendKind } from "../node/types.ts";
import type { EjectedBackend } from "../wire/ejection-list.ts";
import type { UsedElement } from "./rule.ts";
import type { TraceStep } from "./trace.ts";

/**
 *    local-pod        a Pod of this node by the local detector
 *    undetected-pod   a Pod of this node by its EndpointSlice, which the kernel's rules treat as a
 *                     client from outside where they ask
 *    host             a process of this node, or a Pod of its network
 *    remote-pod       a Pod of another node, by its EndpointSlice
 */
type ClientKind = "local-pod" | "undetected-pod" | "host" | "remote-pod" | "other-node" | "outside";

export interface Client {
  address: string;
  kind: ClientKind;
  /** In words, with how explain knows it. */
  description: string;
}

export interface ExplainedFrontend {
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
 *    untouched    Portico leaves it alone: it goes where it would go without
 *    unreachable  the node has no route to the address
 */
export type Outcome = "served" | "refused" | "dropped" | "ended" | "untouched" | "unreachable";

/** One decision on the way: a policy, hints, affinity, source ranges. */
export interface Decision {
  /** The name of the Service's field or of the topic: "externalTrafficPolicy". */
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
  /** The client's address that the backend sees. */
  source: string;
  /**
   * hairpin: it would be the backend's own, so it is the node's. bridge: it is the node's too, as
   * the backend would answer the client past the node.
   */
  sourceIs: "kept" | "masqueraded" | "hairpin" | "bridge";
  /**
   * The hook in which rules of others, such as those of network policies, first see Envoy's
   * connection, and from which address; output is the hook of the node's own processes.
   */
  seenIn: "forward" | "output";
  seenFrom: string;
  /** What the node's own rules do with Envoy's connection, if they do not let it out. */
  blocked?: "refuse" | "drop" | undefined;
  /**
   * Within how many seconds this client must come back to keep this backend, by session affinity;
   * absent when it has another.
   */
  rememberedSeconds?: number | undefined;
  /** It fails: new connections of this client leave it alone, or would; absent when it does not. */
  ejected?: EjectedBackend | undefined;
}

export interface LeftOut {
  place: string;
  pod?: string | undefined;
  node?: string | undefined;
  reason: LeftOutReason | "other-family" | "headless-label" | "no-such-port" | "front-place";
  /** In words. */
  why: string;
}

export interface KernelPart {
  /** The element of the map of frontends for the dialled place; absent when there is none. */
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
  /** Where the data plane differs from the controller's knowledge; empty when all is well. */
  disagreements: string[];
  /** Null when the dialled place is not a frontend of this node. */
  frontDoor: ExplainedFrontend | null;
  /** Frontends that may have been meant, each in words; only when there is none. */
  nearMisses: string[];
  kernel: KernelPart;
  /** Envoy's listener that gets the connection; absent when none does. */
  listener?: string | undefined;
  /** Of a UDP listener: Envoy's cluster behind it. */
  cluster?: string | undefined;
  decisions: Decision[];
  /** In the order of Envoy's list; one is picked at random, unless a decision says otherwise. */
  backends: ExplainedBackend[];
  leftOut: LeftOut[];
  notes: string[];
}
