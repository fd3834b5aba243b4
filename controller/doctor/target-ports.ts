// The Service's target ports, and the ports that its Pods' containers declare. Pure.

import { nearest } from "../model/near-text.ts";
import type { ServicePort } from "../model/types.ts";
import type { ContainerPort, Pod } from "../watch/manifests-pod.ts";
import { portText, type ServiceCase, some } from "./case.ts";
import { podPorts } from "./kubectl.ts";
import type { Finding } from "./types.ts";

/**
 * Reports for each port of the Service whether its Pods declare the target port. Empty when there
 * are no Pods, or they could not be read.
 */
export function targetPortFindings(of: ServiceCase): Finding[] {
  const { pods, service } = of;
  if (!pods || pods.length === 0) return [];
  const all = pods.map(({ pod }) => pod);
  return service.ports.flatMap((port) => {
    const target = of.targetPortOf(port);
    const finding =
      typeof target === "string"
        ? namedPort(of, port, target, all)
        : numberedPort(of, port, target, all);
    return finding ?? [];
  });
}

function namedPort(of: ServiceCase, port: ServicePort, name: string, pods: readonly Pod[]) {
  const { protocol } = port;
  const command = podPorts(of.service.namespace, of.selectorText);
  const has = (pod: Pod) => pod.ports.some((each) => isIt(each, name, protocol));
  const without = pods.filter((pod) => !has(pod));
  const target = `targetPort ${JSON.stringify(name)} of its port ${portText(port)}`;
  if (without.length === 0) {
    return of.find("ok", "target-port", `${target} exists in every Pod`, command);
  }
  if (without.length < pods.length) {
    const names = some(without.map((pod) => pod.name));
    const text =
      `${target} is missing in the containers of some Pods, which get no connections: ` +
      `${names}`;
    return of.find("warning", "target-port-unknown", text, command);
  }
  const declared = without.flatMap((pod) => pod.ports);
  const other = declared.find((each) => each.name === name);
  if (other) {
    const own = `a port of protocol ${other.protocol}`;
    const text = `${target} is ${own} in the containers, not ${protocol}`;
    return of.find("error", "target-port-protocol", text, command);
  }
  const hint = declaredText(name, declared);
  const text = `${target} is the name of no port of the containers; ${hint}`;
  return of.find("error", "target-port-unknown", text, command);
}

function isIt(port: ContainerPort, name: string, protocol: string): boolean {
  return port.name === name && port.protocol === protocol;
}

function declaredText(name: string, declared: readonly ContainerPort[]): string {
  const names = declared.map((each) => each.name).filter((each) => each !== "");
  const [near] = nearest(name, names);
  if (near !== undefined) return `did you mean ${JSON.stringify(near)}?`;
  return declared.length === 0 ? "they declare no ports" : `they declare ${portsText(declared)}`;
}

/** Declaring is optional, so a number is suspicious only if others of its protocol are declared. */
function numberedPort(
  of: ServiceCase,
  port: ServicePort,
  number: number,
  pods: readonly Pod[],
): Finding | undefined {
  const same = pods.flatMap((pod) => pod.ports).filter((each) => each.protocol === port.protocol);
  const command = podPorts(of.service.namespace, of.selectorText);
  const target = `targetPort ${number} of its port ${portText(port)}`;
  if (same.some(({ containerPort }) => containerPort === number)) {
    return of.find("ok", "target-port", `${target} is declared by the containers`, command);
  }
  const declared = pods.flatMap((pod) => pod.ports);
  if (declared.length === 0) return undefined;
  const text =
    `${target} is declared by no container; they declare ${portsText(declared)}. It works only ` +
    "if something listens there anyway";
  return of.find("warning", "target-port-undeclared", text, command);
}

function portsText(ports: readonly ContainerPort[]): string {
  const texts = ports.map(({ name, containerPort, protocol }) => {
    return name === "" ? `${containerPort}/${protocol}` : `${name} (${containerPort}/${protocol})`;
  });
  return some([...new Set(texts)], 5);
}
