// A Service's port and this node → the addresses and ports under which it is dialled, in one IP
// family: its doors. What is behind a door (frontends.ts) depends on endpoints, this does not.

import { cidrContains, familyOf } from "../model/ip.ts";
import type { IPFamily, Service, ServicePort, TrafficPolicy } from "../model/types.ts";
import type { PoliciesInUse } from "./categorize-endpoints.ts";
import { cidrOfAddress, isZeroCIDR, widestCIDRs } from "./cidr-set.ts";
import { isLoopback } from "./node-port-addresses.ts";
import type { ThisNode } from "./this-node.ts";
import type { FrontendKind } from "./types.ts";

/** One address and port under which a ServicePort is dialled on this node. */
export interface Door {
  kind: FrontendKind;
  address: string;
  port: number;
  /** Whose address decides what is behind it, and is kept: see doorsOf. */
  side: "internal" | "external" | "loopback";
  trafficPolicy: TrafficPolicy;
  /** As in Frontend. */
  allowedSources: readonly string[];
}

/**
 * internal: cluster IPs, for clients in the cluster. external: node ports, external IPs and load
 * balancer addresses, for everybody. loopback: node ports that only the host itself can dial. None
 * in a family in which the Service has no cluster IP: it is not of that family.
 *
 * How to add a kind of door: list its addresses of this family here.
 */
export function doorsOf(
  service: Service,
  port: ServicePort,
  family: IPFamily,
  node: ThisNode,
): Door[] {
  if (ofFamily(family, service.clusterIPs).length === 0) return [];
  const internal = { side: "internal", trafficPolicy: service.internalTrafficPolicy } as const;
  const external = { side: "external", trafficPolicy: externalPolicyOf(service) } as const;
  const nodePortAddresses = port.nodePort === 0 ? [] : ofFamily(family, node.nodePortAddresses);
  const open = { allowedSources: [] };
  const allowedSources = allowedSourcesOf(service, family, node);
  const doors: Door[] = [
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
  return withoutRepetition(doors);
}

/** As kube-proxy's ServicePort in serviceport.go; Cluster is the policy of short-circuits too. */
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

/** It counts only for Services that are dialled from outside (apiservice.ExternalPolicyLocal). */
function externalPolicyOf(service: Service): TrafficPolicy {
  const isExternal = service.type !== "ClusterIP" || service.externalIPs.length > 0;
  return isExternal ? service.externalTrafficPolicy : "Cluster";
}

/** A load balancer of ipMode Proxy wants its connections itself. */
function vipsOf(service: Service, family: IPFamily): string[] {
  const vips = service.loadBalancerIngress.filter(({ ipMode }) => ipMode === "VIP");
  return ofFamily(
    family,
    vips.map(({ ip }) => ip),
  );
}

/**
 * As kube-proxy has it: ranges of the other family restrict nobody, nor does a range of everybody.
 * Where the node itself is allowed, so are the load balancer's addresses: the node may have them on
 * an interface, and its processes then dial them from there.
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

/** An address may be listed twice, or as two kinds; the first stays. */
function withoutRepetition(doors: readonly Door[]): Door[] {
  const byPlace = new Map<string, Door>();
  for (const door of doors) {
    const place = `${door.address} ${door.port}`;
    if (!byPlace.has(place)) byPlace.set(place, door);
  }
  return [...byPlace.values()];
}
