// Where clients dial a Service: its kind, its addresses, its protocols. Pure.

import { cidrContains, parseAddress } from "../model/ip.ts";
import { CARRIED_PROTOCOLS } from "../node/carried.ts";
import { portText, type ServiceCase, some } from "./case.ts";
import { getService } from "./kubectl.ts";
import type { Finding } from "./types.ts";

/** Reports whether any proxy, Portico or another, serves it at all. */
export function hasFrontend({ service }: ServiceCase): boolean {
  return service.type !== "ExternalName" && !service.headless;
}

/** Reports why a Service has no frontend. */
export function kindFindings(of: ServiceCase): Finding[] {
  const { service, externalName } = of;
  const command = getService(service);
  if (service.headless) {
    const text =
      "it is headless (clusterIP None): DNS answers with its Pods' addresses, and no proxy " +
      "serves it";
    return [of.find("note", "headless", text, command)];
  }
  if (parseAddress(externalName) !== undefined) {
    const text =
      `its externalName ${externalName} is an IP address, which DNS returns as if it were a ` +
      "name; create a Service without a selector and an EndpointSlice instead";
    return [of.find("error", "external-name-address", text, command)];
  }
  const text = `it is an ExternalName: DNS answers with ${externalName}, and no proxy serves it`;
  return [of.find("note", "external-name", text, command)];
}

/**
 * Reports what is wrong with the fields, addresses and protocols of a Service that a proxy serves.
 * Empty when all is well.
 */
export function frontendFindings(of: ServiceCase): Finding[] {
  return [
    ...of.problems.map(({ message }) => {
      return of.find("warning", "invalid-field", message, getService(of.service));
    }),
    ...otherProxy(of),
    ...clusterIPFindings(of),
    ...protocolFindings(of),
    ...loadBalancerFindings(of),
  ];
}

function otherProxy(of: ServiceCase): Finding[] {
  const { service } = of;
  const { serviceProxyName: proxy } = service;
  if (proxy === undefined) return [];
  const label = "service.kubernetes.io/service-proxy-name";
  const text = `its label ${label} says "${proxy}": only the proxy of that name serves it`;
  return [of.find("note", "other-proxy", text, getService(service))];
}

function clusterIPFindings(of: ServiceCase): Finding[] {
  const { service, cluster } = of;
  if (service.clusterIPs.length === 0) {
    const text = "it has no cluster IP yet: clients cannot reach it";
    return [of.find("error", "no-cluster-ip", text, getService(service))];
  }
  const ranges = (cluster.serviceCIDRs ?? []).flatMap(({ cidrs }) => cidrs);
  if (ranges.length === 0) return [];
  const outside = service.clusterIPs.filter((address) => {
    return !ranges.some((range) => cidrContains(range, address));
  });
  if (outside.length === 0) return [];
  const text =
    `its cluster IP ${some(outside)} is in no ServiceCIDR (${some(ranges)}): routes and ` +
    "policies for the range do not cover it";
  return [of.find("warning", "cluster-ip-outside", text, "kubectl get servicecidrs")];
}

function protocolFindings(of: ServiceCase): Finding[] {
  const { service } = of;
  const foreign = service.ports.filter(({ protocol }) => !CARRIED_PROTOCOLS.includes(protocol));
  return foreign.map((port) => {
    const { protocol } = port;
    const text = `its port ${portText(port)} is not served: Portico does not support ${protocol}`;
    return of.find("error", "protocol-not-carried", text, getService(service));
  });
}

function loadBalancerFindings(of: ServiceCase): Finding[] {
  const { service, ingress } = of;
  if (service.type !== "LoadBalancer") return [];
  const command = `kubectl describe service -n ${service.namespace} ${service.name}`;
  if (ingress.length === 0) {
    const text =
      "it is a LoadBalancer without an address: none has been provisioned (status.loadBalancer " +
      "is empty); is a load balancer controller running?";
    return [of.find("warning", "load-balancer-pending", text, command)];
  }
  const at = of.find("ok", "load-balancer", `its load balancer is at ${some(ingress)}`, command);
  return [at, ...sourceRangeFindings(of)];
}

function sourceRangeFindings(of: ServiceCase): Finding[] {
  const { service } = of;
  const { loadBalancerSourceRanges: ranges, loadBalancerIngress } = service;
  const isOpen = ranges.length === 0 || ranges.some((range) => range.endsWith("/0"));
  if (isOpen || loadBalancerIngress.length === 0) return [];
  const text =
    `its load balancer allows only clients from ${some(ranges, 5)} (loadBalancerSourceRanges); ` +
    "others are dropped";
  return [of.find("note", "source-ranges", text, getService(service))];
}
