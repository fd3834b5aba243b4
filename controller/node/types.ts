// This node's view of the cluster: which frontends it serves and which backends each may use.

import type { Balancing, FunctionChoice, IPFamily, Problem, Protocol } from "../model/types.ts";

/** An (address, port, protocol) that clients dial: "10.96.0.10:80/TCP", "[fd00::a]:80/TCP". */
export type FrontendKey = string;
export type FrontendKind = "ClusterIP" | "NodePort" | "ExternalIP" | "LoadBalancer";

/** An endpoint as the table sees it. */
export interface Backend {
  address: string;
  port: number;
  /** Whether it runs on this node. */
  local: boolean;
  /** For balancing "weighted", 2 to 255; absent: 1. */
  weight?: number;
  /** For balancing "failover": it comes before those that are not. */
  isPreferred?: true;
}

/** How connections are treated. Shared by many frontends, and never changed. */
export interface FrontendSettings {
  balancing: Balancing;
  /** Whether backends that fail are left alone. */
  ejection: boolean;
  /** Of all connections of the ServicePort at once, on this node; 0 for no limit. */
  maxConnections: number;
  /** The same for new ones in a second. */
  maxNewConnectionsPerSecond: number;
  /** TCP only: the function that picks before balancing does; absent: none. */
  pick?: FunctionChoice | undefined;
}

/**
 * What the kernel does with a connection to a frontend. It hands it to Envoy:
 *
 *    keep            the cluster list. The client's address is kept when it is a Pod of this node
 *                    by the local detector; others are masqueraded
 *    masquerade      the cluster list, masqueraded
 *    local           policy Local. From outside: the local list, address kept. From Pods of this
 *                    node: the cluster list, address kept. From the host: the same, masqueraded
 *    short-circuit   policy Local without a local backend: as local, but dropped from outside
 *
 * or it does not: refuse (ECONNREFUSED at connect), drop (the client times out).
 */
export type Verdict = "keep" | "masquerade" | "local" | "short-circuit" | "refuse" | "drop";

/** What identifies packets to a frontend; its key says the same as text. */
export interface FrontendAddress {
  family: IPFamily;
  /** Canonical text. */
  address: string;
  port: number;
  protocol: Protocol;
}

export interface Frontend extends FrontendAddress {
  key: FrontendKey;
  kind: FrontendKind;
  namespace: string;
  service: string;
  portName: string;
  verdict: Verdict;
  /**
   * The cluster list; with internalTrafficPolicy Local the local one. Sorted by (address bytes,
   * port), without repetition. Empty when verdict is refuse or drop.
   */
  backends: Backend[];
  /** The local list of verdict "local", sorted in the same way; empty with any other verdict. */
  localBackends: Backend[];
  /**
   * UDP only, absent otherwise: all endpoints that serve, usable or not, sorted in the same way. A
   * flow stays with its endpoint while that serves (kube-proxy conntrack/cleanup.go).
   */
  servingBackends?: Backend[];
  /**
   * Clients whose connections are not dropped first: canonical CIDRs of the frontend's family,
   * sorted, none contained in another; empty: all clients.
   */
  allowedSources: readonly string[];
  /** 0 for no session affinity. */
  affinityTimeoutSeconds: number;
  settings: FrontendSettings;
}

/** One Service's share of the node view; the node view consists of these. */
export interface ServiceView {
  /** "namespace/name" */
  service: string;
  frontends: Frontend[];
  /** Cluster IPs whose undefined ports are refused. */
  clusterIPs: string[];
  problems: Problem[];
}

/** What the kernel does with connections to a frontend. */
export interface CapturedFrontend extends FrontendAddress {
  verdict: Verdict;
  /** As in Frontend. */
  allowedSources: readonly string[];
  /** At an external IP or load balancer address: no route leads it to this node by itself. */
  isExternal: boolean;
}

/** Texts without repetition, in no particular order. */
export interface TextSet extends Iterable<string> {
  has(text: string): boolean;
}

/** The node view's part for the kernel. It changes in place, and nothing in it has an order. */
export interface CaptureSet {
  frontends: ReadonlyMap<FrontendKey, CapturedFrontend>;
  clusterIPs: TextSet;
  /** Canonical CIDRs of the ServiceCIDR objects; undefined addresses in them are dropped. */
  serviceCIDRs: TextSet;
  /** Addresses of local backends; a Pod that is its own backend is masqueraded. */
  localBackendAddresses: TextSet;
}

/** The keys of entries that came, went or changed, for each part of a capture set. */
export type CaptureChange = { readonly [part in keyof CaptureSet]: Iterable<string> };
