// A Service's port and this node → the addresses and ports at which clients dial it, in one IP
// family: the places of its frontends. What is behind a place depends on endpoints (frontends.ts).

import { cidrContains, familyOf } from "../model/ip.ts";
import { keptList } from "../model/json.ts";
import type { IPFamily, Service, ServicePort, TrafficPolicy } from "../model/types.ts";
import type { PoliciesInUse } from "./categorize-endpoints.ts";
import { cidrOfAddress, isZeroCIDR, widestCIDRs } from "./cidr-set.ts";
import { isLoopback } from "./node-port-addresses.ts";
import type { ThisNode } from "./this-node.ts";
import type { FrontendKind } from "./types.ts";

/** One address and port at which clients dial a ServicePort on this node. */
export interface FrontendPlace {
  kind: FrontendKind;
  address: string;
  port: number;
  /** Which clients dial it: decides what is behind it, and whose address is kept. */
  side: "internal" | "external" | "loopback";
  trafficPolicy: TrafficPolicy;
  /** As in Frontend. */
  allowedSources: readonly string[];
}

/**
 * Lists them, each place once; none in a family without a cluster IP of the Service.
 *    internal   cluster IPs, for clients in the cluster
 *    external   node ports, external IPs and load balancer addresses, for all clients
 *    loopback   node ports that only the host itself can dial
 *
 * How to add a kind of frontend: list its addresses of this family here. node-port-addresses.ts
 * decides on which addresses node ports answer.
 */
export function frontendPlacesOf(
  service: Service,
  port: ServicePort,
  family: IPFamily,
  node: ThisNode,
): FrontendPlace[] {
  if (ofFamily(family, service.clusterIPs).length === 0) return [];
  const internal = { side: "internal", trafficPolicy: service.internalTrafficPolicy } as const;
  const external = { side: "external", trafficPolicy: externalPolicyOf(service) } as const;
  const nodePortAddresses = port.nodePort === 0 ? [] : ofFamily(family, node.nodePortAddresses);
  const open = { allowedSources: keptList<string>([]) };
  const allowedSources = allowedSourcesOf(service, family, node);
  const places: FrontendPlace[] = [
    ...ofFamily(family, service.clusterIPs).map((address) => {
      return { kind: "ClusterIP", address, port: port.port, ...internal, ...open } as const;
    }),
    ...nodePortAddresses.map((address) => {
      const side = isLoopback(address) ? "loopback" : "external";
      return {
        kind: "NodePort",
        address,
        port: port.nodePort,
        ...external,
        side,
        ...open,
      } as const;
    }),
    ...vipsOf(service, family).map((address) => {
      return {
        kind: "LoadBalancer",
        address,
        port: port.port,
        ...external,
        allowedSources,
      } as const;
    }),
    ...ofFamily(family, service.externalIPs).map((address) => {
      return { kind: "ExternalIP", address, port: port.port, ...external, ...open } as const;
    }),
  ];
  return withoutRepetition(places);
}

/** As kube-proxy's ServicePort in serviceport.go; short-circuits use policy Cluster too. */
export function policiesInUse(
  service: Service,
  port: ServicePort,
  family: IPFamily,
): PoliciesInUse {
  const isExternallyAccessible =
    port.nodePort !== 0 ||
    ofFamily(family, service.externalIPs).length > 0 ||
    vipsOf(service, family).length > 0;
  const internalLocal = service.internalTrafficPolicy === "Local";
  const externalLocal = externalPolicyOf(service) === "Local" && isExternallyAccessible;
  return {
    usesClusterEndpoints: !internalLocal || isExternallyAccessible,
    usesLocalEndpoints: internalLocal || externalLocal,
  };
}

/** It counts only for Services that clients outside can dial (apiservice.ExternalPolicyLocal). */
function externalPolicyOf(service: Service): TrafficPolicy {
  const isExternal = service.type !== "ClusterIP" || service.externalIPs.length > 0;
  return isExternal ? service.externalTrafficPolicy : "Cluster";
}

/** A load balancer of ipMode Proxy takes its connections itself. */
function vipsOf(service: Service, family: IPFamily): string[] {
  const vips = service.loadBalancerIngress.filter(({ ipMode }) => ipMode === "VIP");
  return ofFamily(
    family,
    vips.map(({ ip }) => ip),
  );
}

/**
 * As in kube-proxy: ranges of the other family restrict no client, and neither does a range of all
 * addresses. Where the node itself is allowed, so are the load balancer's addresses: the node may
 * have them on an interface, and its processes then use them as their source.
 */
function allowedSourcesOf(service: Service, family: IPFamily, node: ThisNode): readonly string[] {
  const ranges = ofFamily(family, service.loadBalancerSourceRanges);
  if (ranges.some(isZeroCIDR)) return [];
  const isNodeAllowed = ofFamily(family, node.primaryAddresses).some((address) =>
    ranges.some((range) => cidrContains(range, address)),
  );
  const vips = isNodeAllowed ? vipsOf(service, family).map(cidrOfAddress) : [];
  return widestCIDRs([...ranges, ...vips]);
}

/** Of addresses or CIDRs. */
function ofFamily(family: IPFamily, addresses: readonly string[]): string[] {
  return addresses.filter((address) => familyOf(address) === family);
}

/** An address may be listed twice, or as two kinds; keeps the first. */
function withoutRepetition(places: readonly FrontendPlace[]): FrontendPlace[] {
  const byPlace = new Map<string, FrontendPlace>();
  for (const place of places) {
    const key = `${place.address} ${place.port}`;
    if (!byPlace.has(key)) byPlace.set(key, place);
  }
  return [...byPlace.values()];
}
