// A Service, its EndpointSlices and this node → the Service's share of the node view. node-view.ts
// decides which of two Services gets a frontend that both claim.

import { objectKey } from "../model/cluster-state.ts";
import { familyOf } from "../model/ip.ts";
import { keptList } from "../model/json.ts";
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
import { frontendKey } from "./frontend-key.ts";
import { type FrontendPlace, frontendPlacesOf, policiesInUse } from "./frontend-places.ts";
import {
  endpointSettings,
  frontendSettings,
  isLimited,
  isOnlyForTCP,
} from "./frontend-settings.ts";
import { type PortEndpoint, portEndpoints } from "./port-endpoints.ts";
import type { ThisNode } from "./this-node.ts";
import type { Backend, Frontend, FrontendSettings, ServiceView, Verdict } from "./types.ts";

/** Backends by traffic policy; built once for all places of a ServicePort, which share them. */
interface BackendLists {
  Cluster: Backend[];
  Local: Backend[];
  hasAnyEndpoints: boolean;
  /** As in Frontend. */
  serving: { servingBackends?: Backend[] };
}

/**
 * Returns undefined when Portico does not serve the Service: it has no cluster IP (headless, or
 * none yet), is an ExternalName, or is for a proxy with another name than `serviceProxyName`
 * (undefined: for Services that name none).
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
    const unbalanced = whyUnbalanced(service, port);
    if (unbalanced !== undefined) problems.push({ object, ...unbalanced });
    if (!CARRIED_PROTOCOLS.includes(port.protocol)) continue;
    for (const frontend of frontendsOfPort(service, port, slices, node)) {
      if (!frontends.has(frontend.key)) frontends.set(frontend.key, frontend);
      else problems.push({ object, message: `two of its ports use ${frontend.key}` });
    }
  }
  const clusterIPs = service.clusterIPs.filter((ip) => CARRIED_FAMILIES.includes(familyOf(ip)));
  return {
    service: objectKey(service),
    frontends: keptList([...frontends.values()]),
    clusterIPs: keptList(clusterIPs),
    problems: keptList(problems),
  };
}

/** Returns why Portico does not serve a Service, as in serviceViewFrom; undefined when it does. */
export function whyNotServed(
  service: Service,
  serviceProxyName: string | undefined,
): string | undefined {
  const { type, headless, clusterIPs, serviceProxyName: wanted } = service;
  if (type === "ExternalName") return "it is an ExternalName, which only DNS serves";
  if (headless) return "it is headless (clusterIP None): clients dial its Pods directly";
  if (clusterIPs.length === 0) return "it has no cluster IP yet";
  if (wanted === serviceProxyName) return undefined;
  if (wanted === undefined) return `this Portico serves only Services of proxy ${serviceProxyName}`;
  return `its label service.kubernetes.io/service-proxy-name assigns it to ${wanted}`;
}

/** Reports why a port is not served, or not at all of its places. */
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
    `node port ${port.nodePort} is not served: Node ${node.name} is unknown or has no matching ` +
    "address; check its status.addresses, and nodePortAddresses";
  return { message };
}

/** Reports an annotation that asks of a UDP port what only TCP has. */
function whyUnbalanced(
  { settings: { balancing } }: Service,
  { protocol, port }: ServicePort,
): Omit<Problem, "object"> | undefined {
  if (protocol !== "UDP" || !isOnlyForTCP(balancing)) return undefined;
  const message =
    `UDP port ${port}: balancing ${balancing} is for TCP only, so its backends are picked at ` +
    "random; for UDP there are round-robin, client-hash and weighted";
  return { message, reason: "SettingRefused" };
}

function* frontendsOfPort(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  node: ThisNode,
): Generator<Frontend> {
  const settings = settingsOfPort(port, frontendSettings(service.settings, node.defaults));
  const backendOf = backendMaker(service, node);
  for (const family of CARRIED_FAMILIES) {
    const places = frontendPlacesOf(service, port, family, node);
    if (places.length === 0) continue;
    const endpoints = portEndpoints(slices, family, port, node.name);
    const policies = policiesInUse(service, port, family);
    const categorized = categorizeEndpoints(endpoints, policies, node);
    const lists = backendLists(categorized, servingOf(port, endpoints, backendOf), backendOf);
    for (const place of places) {
      yield frontendOf({ service, port, family, settings }, place, lists);
    }
  }
}

/** UDP has no limits. */
function settingsOfPort({ protocol }: ServicePort, settings: FrontendSettings): FrontendSettings {
  if (protocol === "TCP" || !isLimited(settings)) return settings;
  return { ...settings, maxConnections: 0, maxNewConnectionsPerSecond: 0 };
}

type BackendMaker = (endpoint: PortEndpoint) => Backend;

function backendMaker(service: Service, node: ThisNode): BackendMaker {
  const settingsOf = endpointSettings(service, node);
  return ({ endpoint, port, local }) => {
    const backend = { address: endpoint.address, port, local };
    return settingsOf ? { ...backend, ...settingsOf(endpoint) } : backend;
  };
}

function servingOf(
  { protocol }: ServicePort,
  endpoints: readonly PortEndpoint[],
  backendOf: BackendMaker,
) {
  if (protocol !== "UDP") return {};
  const serving = endpoints.filter(({ endpoint }) => endpoint.serving);
  return { servingBackends: serving.map(backendOf) };
}

function backendLists(
  endpoints: CategorizedEndpoints<PortEndpoint>,
  serving: BackendLists["serving"],
  backendOf: BackendMaker,
): BackendLists {
  return {
    serving,
    Cluster: endpoints.clusterEndpoints.map(backendOf),
    Local: endpoints.localEndpoints.map(backendOf),
    hasAnyEndpoints: endpoints.hasAnyEndpoints,
  };
}

interface OfPort {
  service: Service;
  port: ServicePort;
  family: IPFamily;
  settings: FrontendSettings;
}

function frontendOf(
  { service, port, family, settings }: OfPort,
  place: FrontendPlace,
  lists: BackendLists,
): Frontend {
  return {
    key: frontendKey(place.address, place.port, port.protocol),
    family,
    address: place.address,
    port: place.port,
    protocol: port.protocol,
    kind: place.kind,
    namespace: service.namespace,
    service: service.name,
    portName: port.name,
    ...behind(place, lists),
    ...lists.serving,
    allowedSources: place.allowedSources,
    affinityTimeoutSeconds: service.affinityTimeoutSeconds,
    settings,
  };
}

/**
 * As kube-proxy's chains for a ServicePort (nftables/proxier.go syncProxyRules). Without endpoints
 * anywhere a frontend is refused. With endpoints that this node may not use, it is dropped, except
 * that Pods and the host may use any endpoint through an external frontend. Through a loopback one,
 * policy Local leaves even the host only the local endpoints (localnodeportproxy, KEP-6032).
 */
function behind(
  place: FrontendPlace,
  lists: BackendLists,
): Pick<Frontend, "verdict" | "backends" | "localBackends"> {
  if (!lists.hasAnyEndpoints)
    return { verdict: "refuse", backends: keptList([]), localBackends: keptList([]) };
  const { outside, others } = listsBehind(place);
  const backends = lists[others];
  if (outside !== others) {
    const verdict: Verdict = lists[outside].length > 0 ? "local" : "short-circuit";
    return { verdict, backends, localBackends: lists[outside] };
  }
  const served: Verdict = place.side === "internal" ? "keep" : "masquerade";
  return { verdict: backends.length > 0 ? served : "drop", backends, localBackends: keptList([]) };
}

/** Returns the policies whose lists outside clients get, and Pods of this node and the host. */
export function listsBehind(place: Pick<FrontendPlace, "side" | "trafficPolicy">): {
  outside: TrafficPolicy;
  others: TrafficPolicy;
} {
  const { side, trafficPolicy } = place;
  return { outside: trafficPolicy, others: side === "external" ? "Cluster" : trafficPolicy };
}
