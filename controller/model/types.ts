// What Portico keeps of a Kubernetes object: the fields that decide where a connection goes, under
// Kubernetes' names. Plain data; everything else is dropped on arrival.

export type IPFamily = "IPv4" | "IPv6";
export type Protocol = "TCP" | "UDP" | "SCTP";
export type TrafficPolicy = "Cluster" | "Local";

/** How a backend is picked for a connection. */
export type Balancing =
  | "random"
  | "least-connections"
  | "round-robin"
  | "client-hash"
  | "weighted"
  | "failover";

/** "namespace/name", the identity of a namespaced object; "name" for one without a namespace. */
export type ObjectKey = string;

export interface ServicePort {
  /** Empty for the only port of a Service. */
  name: string;
  protocol: Protocol;
  port: number;
  /** 0 when there is none. */
  nodePort: number;
}

export interface LoadBalancerIngress {
  ip: string;
  ipMode: "VIP" | "Proxy";
}

/**
 * Names endpoints: a canonical CIDR of their addresses, or the name of a Pod, or the beginning of
 * one and "*".
 */
export type EndpointPattern = string;

/** A function that picks the backends of a Service. */
export interface FunctionChoice {
  name: string;
  /** In ascending order of their names; what the function does not get has its own value. */
  parameters: Readonly<Record<string, number | boolean>>;
}

/** What the annotations of a Service say (service-settings.ts); shared where there are none. */
export interface ServiceSettings {
  /** Undefined: as by the node's default. */
  balancing: Balancing | undefined;
  /** Whether backends that fail are left alone; undefined: as by the node's default. */
  ejection: boolean | undefined;
  /** Of all its connections at once, on this node; 0 for no limit. */
  maxConnections: number;
  /** The same for new ones in a second. */
  maxNewConnectionsPerSecond: number;
  /** For balancing "weighted", from 1 to 255: the first that matches counts, or else 1. */
  weights: readonly { pattern: EndpointPattern; weight: number }[];
  /** For balancing "failover": which come first; empty: those of the node's zone. */
  preferred: readonly EndpointPattern[];
  /** Picks before balancing does; undefined: none. */
  pick: FunctionChoice | undefined;
}

export interface Service {
  namespace: string;
  name: string;
  /** As in spec.type; absent there means ClusterIP. */
  type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** Valid addresses only, primary first; empty for a headless Service ("None") or none yet. */
  clusterIPs: string[];
  /** True when spec.clusterIP is "None". */
  headless: boolean;
  ports: ServicePort[];
  externalIPs: string[];
  loadBalancerIngress: LoadBalancerIngress[];
  loadBalancerSourceRanges: string[];
  internalTrafficPolicy: TrafficPolicy;
  externalTrafficPolicy: TrafficPolicy;
  /** Seconds of ClientIP session affinity; 0 for none. */
  affinityTimeoutSeconds: number;
  settings: ServiceSettings;
  /** 0 when there is none. */
  healthCheckNodePort: number;
  /** Value of the label service.kubernetes.io/service-proxy-name; undefined when it is not set. */
  serviceProxyName: string | undefined;
  /** spec.selector; undefined when absent, which is not the same as empty. */
  selector: Record<string, string> | undefined;
  publishNotReadyAddresses: boolean;
  /** metadata.uid, for Events; empty when unknown. */
  uid: string;
}

export interface EndpointPort {
  name: string;
  protocol: Protocol;
  port: number;
}

export interface Endpoint {
  /** The first of the slice's addresses for it; the others mean the same endpoint. */
  address: string;
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  /** Empty when unknown. */
  nodeName: string;
  zone: string;
  zoneHints: readonly string[];
  nodeHints: readonly string[];
  /** The Pod behind it, in the slice's namespace; absent when not given. */
  podName?: string | undefined;
}

export interface EndpointSlice {
  namespace: string;
  name: string;
  /** Label kubernetes.io/service-name. */
  serviceName: string;
  addressType: IPFamily;
  ports: EndpointPort[];
  endpoints: Endpoint[];
  /**
   * True when the slice carries the label service.kubernetes.io/headless, whatever its value. On a
   * Service a proxy ignores the label: kube-proxy 1.37 filters only slices by it
   * (cmd/kube-proxy/app/server.go).
   */
  headlessLabel: boolean;
  /** Milliseconds since 1970 of endpoints.kubernetes.io/last-change-trigger-time; 0 if absent. */
  lastChangeTriggerTime: number;
}

export interface Node {
  name: string;
  /** status.addresses of type InternalIP, then of type ExternalIP, in their order. */
  addresses: string[];
  podCIDRs: string[];
  /** Only the labels topology.kubernetes.io/… */
  labels: Record<string, string>;
  taintKeys: string[];
  deleting: boolean;
}

export interface ServiceCIDR {
  name: string;
  cidrs: string[];
}

export interface KindTypes {
  Service: Service;
  EndpointSlice: EndpointSlice;
  Node: Node;
  ServiceCIDR: ServiceCIDR;
}
export type Kind = keyof KindTypes;
export const KINDS: readonly Kind[] = ["Service", "EndpointSlice", "Node", "ServiceCIDR"];

/** Bad input from the cluster: shown to operators, counted, never thrown. */
export interface Problem {
  /** "Kind namespace/name", or "Kind name". */
  object: string;
  /** What is wrong, with the value, and what to do about it. */
  message: string;
  /** The object is valid; the named part is of no use to a proxy, and only that is left out. */
  isHarmless?: true;
  /**
   * One word in CamelCase, for the Event. Absent: ServiceProxyProblem, and no Event where the
   * problem is harmless.
   */
  reason?: string;
}

/** Reason of a Service's problem: a ready backend fails, and is left alone. */
export const BACKEND_EJECTED = "BackendEjected";

/** Reason of a Service's problem: a limit of it has been refusing clients. */
export const SERVICE_LIMITED = "ServiceLimited";

/** Reason of a node's problem: a routing rule of others comes before Portico's. */
export const ROUTING_RULE_FIRST = "RoutingRuleFirst";
