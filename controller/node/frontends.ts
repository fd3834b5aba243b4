// A Service, its EndpointSlices and this node → the Service's share of the node view. Which of two
// Services gets a frontend that both claim is decided in node-view.ts.

import { objectKey } from "../model/cluster-state.ts";
import { familyOf } from "../model/ip.ts";
import type {
  EndpointSlice,
  IPFamily,
  Problem,
  Service,
  ServicePort,
  TrafficPolicy,
} from "../model/types.ts";
import { CARRIED_FAMILIES, CARRIED_PROTOCOLS } from "./carried.ts";
import {
  type CategorizedEndpoints,
  categorizeEndpoints,
  type PoliciesInUse,
} from "./categorize-endpoints.ts";
import { frontendKey } from "./frontend-key.ts";
import { type PortEndpoint, portEndpoints } from "./port-endpoints.ts";
import type { ThisNode } from "./this-node.ts";
import type { Backend, Frontend, FrontendKind, ServiceView, Verdict } from "./types.ts";

/** One address and port under which a ServicePort is dialled on this node. */
interface Door {
  kind: FrontendKind;
  address: string;
  port: number;
  trafficPolicy: TrafficPolicy;
  /** What happens to its connections when there is a backend. */
  verdict: "keep" | "masquerade";
}

/** Backends by traffic policy; built once for all doors of a ServicePort, which share them. */
interface BackendLists {
  Cluster: Backend[];
  Local: Backend[];
  hasAnyEndpoints: boolean;
}

/**
 * Undefined when the Service is not for us to serve: it has no cluster IP (headless, or none yet),
 * is an ExternalName, carries the label service.kubernetes.io/headless, or is for the proxy of
 * another name than `serviceProxyName` (undefined: for Services that name none).
 */
export function serviceViewFrom(
  service: Service,
  slices: readonly EndpointSlice[],
  node: ThisNode,
  serviceProxyName: string | undefined,
): ServiceView | undefined {
  if (service.type === "ExternalName" || service.clusterIPs.length === 0) return undefined;
  if (service.headlessLabel || service.serviceProxyName !== serviceProxyName) return undefined;
  const frontends = new Map<string, Frontend>();
  const problems: Problem[] = [];
  const object = `Service ${objectKey(service)}`;
  for (const port of service.ports) {
    const shortfall = shortfallOf(port, node);
    if (shortfall !== undefined) problems.push({ object, message: shortfall });
    if (!CARRIED_PROTOCOLS.includes(port.protocol)) continue;
    for (const frontend of frontendsOfPort(service, port, slices, node)) {
      if (!frontends.has(frontend.key)) frontends.set(frontend.key, frontend);
      else problems.push({ object, message: `two of its ports claim ${frontend.key}` });
    }
  }
  const clusterIPs = service.clusterIPs.filter((ip) => CARRIED_FAMILIES.includes(familyOf(ip)));
  return {
    service: objectKey(service),
    frontends: [...frontends.values()],
    clusterIPs,
    problems,
  };
}

/** Why a port is not served, or not on all of its doors. */
function shortfallOf(port: ServicePort, node: ThisNode): string | undefined {
  if (!CARRIED_PROTOCOLS.includes(port.protocol)) {
    const name = port.name === "" ? "" : ` (${port.name})`;
    return `not carried yet: ${port.protocol} port ${port.port}${name}`;
  }
  if (port.nodePort === 0 || node.nodePortAddresses.length > 0) return undefined;
  return (
    `node port ${port.nodePort} is not served: Node ${node.name} is unknown or has no ` +
    `${CARRIED_FAMILIES.join(" or ")} InternalIP or ExternalIP; look at its status.addresses`
  );
}

function* frontendsOfPort(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  node: ThisNode,
): Generator<Frontend> {
  const policies = policiesInUse(service, port);
  for (const family of CARRIED_FAMILIES) {
    const doors = doorsOf(service, port, family, node);
    if (doors.length === 0) continue;
    const endpoints = portEndpoints(slices, family, port, node.name);
    const lists = backendLists(categorizeEndpoints(endpoints, policies, node));
    for (const door of doors) yield frontendOf(service, port, family, door, lists);
  }
}

/** As kube-proxy's ServicePort in serviceport.go; Cluster is the policy of short-circuits too. */
function policiesInUse(service: Service, port: ServicePort): PoliciesInUse {
  const isExternallyAccessible =
    port.nodePort !== 0 || service.externalIPs.length > 0 || service.loadBalancerIngress.length > 0;
  const internalLocal = service.internalTrafficPolicy === "Local";
  const externalLocal = service.externalTrafficPolicy === "Local" && isExternallyAccessible;
  return {
    usesClusterEndpoints: !internalLocal || isExternallyAccessible,
    usesLocalEndpoints: internalLocal || externalLocal,
  };
}

/**
 * How to add a kind of door: list its addresses of this family here. External IPs and load
 * balancer addresses, and the source-dependent choice of externalTrafficPolicy Local, are to come:
 * until then node ports are served as with policy Cluster.
 */
function doorsOf(service: Service, port: ServicePort, family: IPFamily, node: ThisNode): Door[] {
  const doors: Door[] = [];
  for (const address of service.clusterIPs) {
    if (familyOf(address) !== family) continue;
    const trafficPolicy = service.internalTrafficPolicy;
    doors.push({ kind: "ClusterIP", address, port: port.port, trafficPolicy, verdict: "keep" });
  }
  for (const address of port.nodePort === 0 ? [] : node.nodePortAddresses) {
    if (familyOf(address) !== family) continue;
    const trafficPolicy = "Cluster";
    const verdict = "masquerade";
    doors.push({ kind: "NodePort", address, port: port.nodePort, trafficPolicy, verdict });
  }
  return doors;
}

function backendLists(endpoints: CategorizedEndpoints<PortEndpoint>): BackendLists {
  return {
    Cluster: endpoints.clusterEndpoints.map(backendOf),
    Local: endpoints.localEndpoints.map(backendOf),
    hasAnyEndpoints: endpoints.hasAnyEndpoints,
  };
}

function backendOf({ endpoint, port, local }: PortEndpoint): Backend {
  return { address: endpoint.address, port, local };
}

function frontendOf(
  service: Service,
  port: ServicePort,
  family: IPFamily,
  door: Door,
  lists: BackendLists,
): Frontend {
  const backends = lists[door.trafficPolicy];
  return {
    key: frontendKey(door.address, door.port, port.protocol),
    family,
    address: door.address,
    port: door.port,
    protocol: port.protocol,
    kind: door.kind,
    namespace: service.namespace,
    service: service.name,
    portName: port.name,
    verdict: verdictOf(door, backends, lists.hasAnyEndpoints),
    backends,
    localBackends: [],
    allowedSources: [],
    affinityTimeoutSeconds: service.affinityTimeoutSeconds,
  };
}

/** Without endpoints anywhere it is refused; with endpoints that this node may not use, dropped. */
function verdictOf(door: Door, backends: readonly Backend[], hasAnyEndpoints: boolean): Verdict {
  if (backends.length > 0) return door.verdict;
  return hasAnyEndpoints ? "drop" : "refuse";
}
