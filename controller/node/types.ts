// This node's view of the cluster: which frontends it serves and which backends each may use.

import type { IPFamily, Problem, Protocol } from "../model/types.ts";

/** An (address, port, protocol) that clients dial: "10.96.0.10:80/TCP", "[fd00::a]:80/TCP". */
export type FrontendKey = string;
export type FrontendKind = "ClusterIP" | "NodePort" | "ExternalIP" | "LoadBalancer";

/** An endpoint as the table sees it. */
export interface Backend {
  address: string;
  port: number;
  /** Whether it runs on this node. */
  local: boolean;
}

/**
 * What the kernel does with a connection to a frontend: hand it to Envoy, which keeps the source
 * address or masquerades; refuse it (ECONNREFUSED at connect); drop it (the client times out).
 */
export type Verdict = "keep" | "masquerade" | "refuse" | "drop";

export interface Frontend {
  key: FrontendKey;
  family: IPFamily;
  /** Canonical text of the address. */
  address: string;
  port: number;
  protocol: Protocol;
  kind: FrontendKind;
  namespace: string;
  service: string;
  portName: string;
  verdict: Verdict;
  /** Sorted by (address bytes, port), without repetition. Empty when verdict is refuse or drop. */
  backends: Backend[];
  /** 0 for no session affinity. */
  affinityTimeoutSeconds: number;
}

/** One Service's share of the node view; what the view of the node is put together from. */
export interface ServiceView {
  /** "namespace/name" */
  service: string;
  frontends: Frontend[];
  /** Cluster IPs whose undefined ports are to be refused. */
  clusterIPs: string[];
  problems: Problem[];
}

/** What the kernel is told, apart from its constant rules. Every list sorted, no repetition. */
export interface CaptureSet {
  verdicts: ReadonlyMap<FrontendKey, Verdict>;
  clusterIPs: readonly string[];
  /** Canonical CIDRs of the ServiceCIDR objects; undefined addresses in them are dropped. */
  serviceCIDRs: readonly string[];
  /** Addresses of local backends; a Pod that is its own backend is masqueraded. */
  localEndpoints: readonly string[];
}
