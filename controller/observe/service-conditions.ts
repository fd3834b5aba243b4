// A Service and its EndpointSlices → what keeps every connection to one of its ports from an
// answer, on any node. Its owner should know. Pure; says nothing about Pods, which Portico does not
// watch. A message stays the same while its cause does: it contains no counts.

import { objectKey } from "../model/cluster-state.ts";
import type { Endpoint, EndpointSlice, Service, ServicePort } from "../model/types.ts";

export interface ServiceCondition {
  /** One word in CamelCase, for the Event. */
  reason: string;
  message: string;
}

/** Returns none for a Service without frontends: headless, or ExternalName. */
export function serviceConditions(
  service: Service,
  all: readonly EndpointSlice[],
): ServiceCondition[] {
  if (service.type === "ExternalName" || service.clusterIPs.length === 0) return [];
  const slices = all.filter(({ headlessLabel }) => !headlessLabel);
  const endpoints = slices.flatMap((slice) => slice.endpoints);
  if (endpoints.length === 0) return [withoutEndpoints(service, slices)];
  const unknown = service.ports.filter((port) => !slices.some((slice) => carries(slice, port)));
  const conditions = unknown.map((port) => unknownPort(service, port));
  if (!endpoints.some(isUsable)) conditions.push(noneReady(service));
  return conditions;
}

/** An empty selector selects nothing, like an absent one. */
function selectorText({ selector = {} }: Service): string {
  const pairs = Object.entries(selector).map((pair) => pair.join("="));
  return pairs.sort().join(",");
}

function withoutEndpoints(service: Service, slices: readonly EndpointSlice[]): ServiceCondition {
  const selector = selectorText(service);
  const { namespace, name } = service;
  if (selector === "") {
    const message =
      "it has no selector, and no EndpointSlice with endpoints belongs to it; connections to " +
      `it are refused. Create one with the label kubernetes.io/service-name: ${name}`;
    return { reason: "NoEndpoints", message };
  }
  if (slices.length === 0) {
    const message =
      "it has a selector but no EndpointSlice; connections to it are refused. Is " +
      "kube-controller-manager running, with its endpointslice-controller?";
    return { reason: "NoEndpointSlices", message };
  }
  const message =
    `no Pod that has an address matches its selector ${selector}; connections to it are refused. ` +
    `Compare: kubectl get pods -n ${namespace} --show-labels`;
  return { reason: "SelectorMatchesNothing", message };
}

/** As in kube-proxy's ServicePortName: the port's name and protocol. */
function carries({ ports, endpoints }: EndpointSlice, wanted: ServicePort): boolean {
  if (endpoints.length === 0) return false;
  return ports.some(({ name, protocol }) => name === wanted.name && protocol === wanted.protocol);
}

function unknownPort(service: Service, { name, port, protocol }: ServicePort): ServiceCondition {
  const which = name === "" ? `port ${port}/${protocol}` : `port ${name} (${port}/${protocol})`;
  const hint =
    selectorText(service) === ""
      ? `An EndpointSlice must have a port with that name (${JSON.stringify(name)}) and protocol`
      : "A named targetPort must match a container port's name and protocol";
  const message = `no endpoint has its ${which}; connections to it are refused. ${hint}`;
  return { reason: "TargetPortNotFound", message };
}

/** As in node/categorize-endpoints.ts. */
function isUsable({ ready, serving, terminating }: Endpoint): boolean {
  return ready || (serving && terminating);
}

function noneReady(service: Service): ServiceCondition {
  const message =
    "none of its endpoints is ready; connections to it are refused. Diagnose: portico doctor " +
    `${objectKey(service)}`;
  return { reason: "NoReadyEndpoints", message };
}
