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
  /**
   * The cluster list; with internalTrafficPolicy Local the local one. Sorted by (address bytes,
   * port), without repetition. Empty when verdict is refuse or drop.
   */
  backends: Backend[];
  /** The local list of verdict "local", sorted in the same way; empty with any other verdict. */
  localBackends: Backend[];
  /**
   * UDP only, absent otherwise: all endpoints that serve, usable or not, sorted in the same way. A
   * flow stays with its endpoint as long as that serves (kube-proxy conntrack/cleanup.go).
   */
  servingBackends?: Backend[];
  /**
   * Whose connections are not dropped before everything else: canonical CIDRs of the frontend's
   * family, sorted, none in another; empty for everybody's.
   */
  allowedSources: readonly string[];
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

/** What a listener of Envoy's for UDP does: its source address, and its list, as in Verdict. */
export type UdpListenerKind = "keep" | "masquerade" | "local";

/** The address that each of a frontend's listeners is bound to. */
export type UdpAddresses = Readonly<Partial<Record<UdpListenerKind, string>>>;

/** What the kernel is told, apart from its constant rules. Every list sorted, no repetition. */
export interface CaptureSet {
  verdicts: ReadonlyMap<FrontendKey, Verdict>;
  clusterIPs: readonly string[];
  /** Canonical CIDRs of the ServiceCIDR objects; undefined addresses in them are dropped. */
  serviceCIDRs: readonly string[];
  /** Addresses of local backends; a Pod that is its own backend is masqueraded. */
  localEndpoints: readonly string[];
  /** Frontends that are not open to everybody → their allowedSources. */
  allowedSources: ReadonlyMap<FrontendKey, readonly string[]>;
  /** External IPs and load balancer addresses: no route brings them to this node by itself. */
  externalFrontends: readonly FrontendKey[];
  /** Of UDP frontends that Envoy has listeners for. */
  udpAddresses: ReadonlyMap<FrontendKey, UdpAddresses>;
  /** Of an Envoy that gets nothing new any more: what it still answers has to find its way. */
  formerUdpAddresses: ReadonlyMap<FrontendKey, UdpAddresses>;
}
