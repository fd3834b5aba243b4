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
import { CARRIED_FAMILIES, CARRIED_PROTOCOLS, FOREIGN_PROTOCOLS } from "./carried.ts";
import { type CategorizedEndpoints, categorizeEndpoints } from "./categorize-endpoints.ts";
import { type Door, doorsOf, policiesInUse } from "./doors.ts";
import { frontendKey } from "./frontend-key.ts";
import { type PortEndpoint, portEndpoints } from "./port-endpoints.ts";
import type { ThisNode } from "./this-node.ts";
import type { Backend, Frontend, ServiceView, Verdict } from "./types.ts";

/** Backends by traffic policy; built once for all doors of a ServicePort, which share them. */
interface BackendLists {
  Cluster: Backend[];
  Local: Backend[];
  hasAnyEndpoints: boolean;
  /** As in Frontend. */
  serving: { servingBackends?: Backend[] };
}

/**
 * Undefined when the Service is not for us to serve: it has no cluster IP (headless, or none yet),
 * is an ExternalName, or is for the proxy of another name than `serviceProxyName` (undefined: for
 * Services that name none).
 */
export function serviceViewFrom(
  service: Service,
  slices: readonly EndpointSlice[],
  node: ThisNode,
  serviceProxyName: string | undefined,
): ServiceView | undefined {
  if (whyNotServed(service, serviceProxyName)) return undefined;
  const frontends = new Map<string, Frontend>();
  const problems: Problem[] = [];
  const object = `Service ${objectKey(service)}`;
  for (const port of service.ports) {
    const shortfall = shortfallOf(port, node);
    if (shortfall !== undefined) problems.push({ object, ...shortfall });
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

/** Why a Service is not for us to serve, as in serviceViewFrom; undefined when it is. */
export function whyNotServed(
  service: Service,
  serviceProxyName: string | undefined,
): string | undefined {
  const { type, headless, clusterIPs, serviceProxyName: wanted } = service;
  if (type === "ExternalName") return "it is an ExternalName, which is DNS alone";
  if (headless) return "it is headless (clusterIP None): clients dial its Pods themselves";
  if (clusterIPs.length === 0) return "it has no cluster IP yet";
  if (wanted === serviceProxyName) return undefined;
  if (wanted === undefined) return `this Portico serves only those of proxy ${serviceProxyName}`;
  return `its label service.kubernetes.io/service-proxy-name leaves it to ${wanted}`;
}

/** Why a port is not served, or not on all of its doors. */
export function shortfallOf(
  port: ServicePort,
  node: ThisNode,
): Omit<Problem, "object"> | undefined {
  const { protocol } = port;
  if (!CARRIED_PROTOCOLS.includes(protocol)) {
    const name = port.name === "" ? "" : ` (${port.name})`;
    const when = FOREIGN_PROTOCOLS.includes(protocol) ? "not carried" : "not carried yet";
    const message = `${when}: ${protocol} port ${port.port}${name}`;
    return { message, reason: "ProtocolNotCarried" };
  }
  if (port.nodePort === 0 || node.nodePortAddresses.length > 0) return undefined;
  const message =
    `node port ${port.nodePort} is not served: Node ${node.name} is unknown or has no address ` +
    "for it; look at its status.addresses, and at nodePortAddresses";
  return { message };
}

function* frontendsOfPort(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  node: ThisNode,
): Generator<Frontend> {
  for (const family of CARRIED_FAMILIES) {
    const doors = doorsOf(service, port, family, node);
    if (doors.length === 0) continue;
    const endpoints = portEndpoints(slices, family, port, node.name);
    const policies = policiesInUse(service, port, family);
    const categorized = categorizeEndpoints(endpoints, policies, node);
    const lists = backendLists(categorized, servingOf(port, endpoints));
    for (const door of doors) yield frontendOf(service, port, family, door, lists);
  }
}

function servingOf({ protocol }: ServicePort, endpoints: readonly PortEndpoint[]) {
  if (protocol !== "UDP") return {};
  const serving = endpoints.filter(({ endpoint }) => endpoint.serving);
  return { servingBackends: serving.map(backendOf) };
}

function backendLists(
  endpoints: CategorizedEndpoints<PortEndpoint>,
  serving: BackendLists["serving"],
): BackendLists {
  return {
    serving,
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
    ...behind(door, lists),
    ...lists.serving,
    allowedSources: door.allowedSources,
    affinityTimeoutSeconds: service.affinityTimeoutSeconds,
  };
}

/**
 * As the chains that kube-proxy writes for a ServicePort (nftables/proxier.go syncProxyRules).
 * Without endpoints anywhere a door is refused; with endpoints that this node may not use, dropped,
 * except that Pods and the host may use any through an external door. Through a loopback door,
 * policy Local leaves even the host the local ones only (localnodeportproxy, KEP-6032).
 */
function behind(
  door: Door,
  lists: BackendLists,
): Pick<Frontend, "verdict" | "backends" | "localBackends"> {
  if (!lists.hasAnyEndpoints) return { verdict: "refuse", backends: [], localBackends: [] };
  const { outside, others } = listsBehind(door);
  const backends = lists[others];
  if (outside !== others) {
    const verdict: Verdict = lists[outside].length > 0 ? "local" : "short-circuit";
    return { verdict, backends, localBackends: lists[outside] };
  }
  const served: Verdict = door.side === "internal" ? "keep" : "masquerade";
  return { verdict: backends.length > 0 ? served : "drop", backends, localBackends: [] };
}

/** Whose list clients from outside get through a door, and whose Pods of this node and the host. */
export function listsBehind(door: Pick<Door, "side" | "trafficPolicy">): {
  outside: TrafficPolicy;
  others: TrafficPolicy;
} {
  const { side, trafficPolicy } = door;
  return { outside: trafficPolicy, others: side === "external" ? "Cluster" : trafficPolicy };
}
