// The commands that show what a finding says. Text only.

import type { Service } from "../model/types.ts";

type Named = Pick<Service, "namespace" | "name">;

export function getService({ namespace, name }: Named): string {
  return `kubectl get service -n ${namespace} ${name} -o yaml`;
}

export function getServices(namespace: string): string {
  return `kubectl get services -n ${namespace}`;
}

export function podLabels(namespace: string): string {
  return `kubectl get pods -n ${namespace} --show-labels`;
}

export function selectedPods(namespace: string, selector: string): string {
  return `kubectl get pods -n ${namespace} -l ${selector} -o wide`;
}

export function describePod(namespace: string, name: string): string {
  return `kubectl describe pod -n ${namespace} ${name}`;
}

export function previousLogs(namespace: string, name: string): string {
  return `kubectl logs -n ${namespace} ${name} --previous`;
}

export function getSlices({ namespace, name }: Named): string {
  return `kubectl get endpointslices -n ${namespace} -l kubernetes.io/service-name=${name}`;
}

export function getSlice(namespace: string, name: string): string {
  return `kubectl get endpointslice -n ${namespace} ${name} -o yaml`;
}

export function allSlices(namespace: string): string {
  return `kubectl get endpointslices -n ${namespace} -L kubernetes.io/service-name`;
}

export function podPorts(namespace: string, selector: string): string {
  const path = "{.items[*].spec.containers[*].ports}";
  return `kubectl get pods -n ${namespace} -l ${selector} -o jsonpath='${path}'`;
}
