// A Service and its EndpointSlices → what keeps every connection to one of its ports from an
// answer, on whichever node. Its owner should know. Pure; says nothing about Pods, which Portico
// does not watch. The messages are the same as long as the cause is: they name no counts.

import { objectKey } from "../model/cluster-state.ts";
import type { Endpoint, EndpointSlice, Service, ServicePort } from "../model/types.ts";

export interface ServiceCondition {
  /** In one word of CamelCase, for the Event. */
  reason: string;
  message: string;
}

/** None for a Service without front doors: headless, or ExternalName. */
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

/** An empty selector selects nothing, as an absent one. */
function selectorText({ selector = {} }: Service): string {
  const pairs = Object.entries(selector).map((pair) => pair.join("="));
  return pairs.sort().join(",");
}

function withoutEndpoints(service: Service, slices: readonly EndpointSlice[]): ServiceCondition {
  const selector = selectorText(service);
  const { namespace, name } = service;
  if (selector === "") {
    const message =
      "it has no selector, and no EndpointSlice with an endpoint names it; connections to it are " +
      `refused. Write one with the label kubernetes.io/service-name: ${name}`;
    return { reason: "NoEndpoints", message };
  }
  if (slices.length === 0) {
    const message =
      "it has no EndpointSlice, though it has a selector; connections to it are refused. Does " +
      "kube-controller-manager run, with its endpointslice-controller?";
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
      ? `An EndpointSlice must have a port of that name (${JSON.stringify(name)}) and protocol`
      : "A named targetPort must be the name of a port, of that protocol, of a container";
  const message = `no endpoint has its ${which}; connections to it are refused. ${hint}`;
  return { reason: "TargetPortNotFound", message };
}

/** As in node/categorize-endpoints.ts. */
function isUsable({ ready, serving, terminating }: Endpoint): boolean {
  return ready || (serving && terminating);
}

function noneReady(service: Service): ServiceCondition {
  const message =
    "none of its endpoints is ready; connections to it are refused. " +
    `portico doctor ${objectKey(service)} says why`;
  return { reason: "NoReadyEndpoints", message };
}
