// The commands that show what a finding says. Text only.

import type { Service } from "../model/types.ts";

type Named = Pick<Service, "namespace" | "name">;

/** Returns the command that shows one Service in full. */
export function getService({ namespace, name }: Named): string {
  return `kubectl get service -n ${namespace} ${name} -o yaml`;
}

/** Returns the command that lists the Services of a namespace, with their addresses and ports. */
export function getServices(namespace: string): string {
  return `kubectl get services -n ${namespace}`;
}

/**
 * Returns the command that lists the Pods of a namespace with their labels, to compare with a
 * selector.
 */
export function podLabels(namespace: string): string {
  return `kubectl get pods -n ${namespace} --show-labels`;
}

/**
 * Returns the command that lists the Pods that a selector matches, "app=web,tier=front", with their
 * addresses and nodes.
 */
export function selectedPods(namespace: string, selector: string): string {
  return `kubectl get pods -n ${namespace} -l ${selector} -o wide`;
}

/** Returns the command that shows the state of one Pod, with its Events. */
export function describePod(namespace: string, name: string): string {
  return `kubectl describe pod -n ${namespace} ${name}`;
}

/** Returns the command that shows what the container before the last restart of a Pod logged. */
export function previousLogs(namespace: string, name: string): string {
  return `kubectl logs -n ${namespace} ${name} --previous`;
}

/** Returns the command that lists the EndpointSlices of a Service. */
export function getSlices({ namespace, name }: Named): string {
  return `kubectl get endpointslices -n ${namespace} -l kubernetes.io/service-name=${name}`;
}

/** Returns the command that shows one EndpointSlice in full. */
export function getSlice(namespace: string, name: string): string {
  return `kubectl get endpointslice -n ${namespace} ${name} -o yaml`;
}

/**
 * Returns the command that lists the EndpointSlices of a namespace, each with the Service that it
 * names.
 */
export function allSlices(namespace: string): string {
  return `kubectl get endpointslices -n ${namespace} -L kubernetes.io/service-name`;
}

/** Returns the command that shows the ports that the containers of the selected Pods declare. */
export function podPorts(namespace: string, selector: string): string {
  const path = "{.items[*].spec.containers[*].ports}";
  return `kubectl get pods -n ${namespace} -l ${selector} -o jsonpath='${path}'`;
}
