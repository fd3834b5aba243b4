// A Service and its EndpointSlices → this node's answer to a load balancer on the Service's
// healthCheckNodePort. After kube-proxy pkg/proxy/healthcheck/service_health.go and the
// HealthCheckNodePorts and LocalReadyEndpoints that feed it (1.37). Pure.

import { familyOf } from "../model/ip.ts";
import type { EndpointSlice, IPFamily, Service } from "../model/types.ts";

/** One Service's health in one IP family. */
export interface HealthCheck {
  namespace: string;
  name: string;
  /** The Service object's uid, for Events. */
  uid: string;
  family: IPFamily;
  port: number;
  /** Ready endpoints on this node, by address: one with two ports counts once. */
  localEndpoints: number;
}

/**
 * Returns one for each family in which the Service has a cluster IP; none when it is not a
 * LoadBalancer with externalTrafficPolicy Local, or Portico does not serve it, as in
 * serviceViewFrom.
 */
export function healthChecksFrom(
  service: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
  serviceProxyName: string | undefined,
): HealthCheck[] {
  const { namespace, name, uid, healthCheckNodePort: port } = service;
  if (service.type !== "LoadBalancer" || service.externalTrafficPolicy !== "Local") return [];
  if (service.serviceProxyName !== serviceProxyName) return [];
  if (port === 0) return [];
  const families = new Set(service.clusterIPs.map(familyOf));
  return [...families].map((family) => {
    const localEndpoints = localReadyAddresses(slices, family, nodeName).size;
    return { namespace, name, uid, family, port, localEndpoints };
  });
}

/** Terminating endpoints may still serve, but a load balancer should stop choosing this node. */
function localReadyAddresses(
  slices: readonly EndpointSlice[],
  family: IPFamily,
  nodeName: string,
): Set<string> {
  const addresses = new Set<string>();
  for (const slice of slices) {
    if (slice.addressType !== family || slice.headlessLabel || slice.ports.length === 0) continue;
    for (const { address, ready, nodeName: node } of slice.endpoints) {
      if (ready && node !== "" && node === nodeName) addresses.add(address);
    }
  }
  return addresses;
}

/** Returns status, header and body, byte for byte as kube-proxy's hcHandler. */
export function healthCheckAnswer(check: HealthCheck, isProxyHealthy: boolean) {
  const { namespace, name, localEndpoints } = check;
  const body = [
    "{",
    '\t"service": {',
    `\t\t"namespace": ${JSON.stringify(namespace)},`,
    `\t\t"name": ${JSON.stringify(name)}`,
    "\t},",
    `\t"localEndpoints": ${localEndpoints},`,
    `\t"serviceProxyHealthy": ${isProxyHealthy}`,
    "}",
  ];
  return {
    status: localEndpoints !== 0 && isProxyHealthy ? 200 : 503,
    headers: { "x-load-balancing-endpoint-weight": String(localEndpoints) },
    body: body.join("\n"),
  };
}
