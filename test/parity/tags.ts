// Which abilities a probe needs, found out from the objects. kube-proxy answers all of them;
// Portico is compared on those that it has: COMPARED, the one place to switch a feature on.

import { addressesOf, familyOf, NODES } from "./lab.ts";
import { type Dial, dialsOf, doorFrom, type KubernetesObject, type Probe } from "./state.ts";

export const TAGS = [
  "tcp4", // TCP over IPv4
  "udp",
  "ipv6",
  "affinity", // sessionAffinity ClientIP
  "policies", // externalTrafficPolicy Local
  "external", // externalIPs
  "loadbalancer", // status.loadBalancer, loadBalancerSourceRanges
  "masquerade", // cluster IPs dialled from outside the cluster
  "health", // healthCheckNodePort
  "sctp",
  "ports", // connections between Pods, beside those through a Service, with the same addresses
] as const;
export type Tag = (typeof TAGS)[number];

/** What Portico is compared on. */
export const COMPARED: readonly Tag[] = [
  "tcp4",
  "udp",
  "ipv6",
  "affinity",
  "policies",
  "external",
  "loadbalancer",
  "masquerade",
  "health",
  "ports",
];

/** In the order of TAGS. */
export function tagsOf(probe: Probe, objects: readonly KubernetesObject[]): readonly Tag[] {
  const found = new Set<Tag>(probe.tags ?? []);
  if (probe.kind === "health") found.add("health");
  for (const dial of dialsOf(probe)) for (const tag of tagsOfDial(dial, objects)) found.add(tag);
  return TAGS.filter((tag) => found.has(tag));
}

export function isCompared(
  probe: Probe,
  objects: readonly KubernetesObject[],
  compared: readonly Tag[] = COMPARED,
): boolean {
  return tagsOf(probe, objects).every((tag) => compared.includes(tag));
}

function* tagsOfDial(dial: Dial, objects: readonly KubernetesObject[]): Generator<Tag> {
  const { address, port } = doorFrom(dial.to);
  const isIPv6 = familyOf(address) === "IPv6";
  if (isIPv6) yield "ipv6";
  if (dial.protocol === "UDP") yield "udp";
  if (!isIPv6 && dial.protocol === "TCP") yield "tcp4";
  for (const object of objects) {
    if (object.kind === "Service") yield* tagsOfService(object, address, port, dial);
  }
}

function* tagsOfService(
  service: KubernetesObject,
  address: string,
  port: number,
  dial: Dial,
): Generator<Tag> {
  const kind = kindOfDoor(service, address, port);
  if (kind === undefined) return;
  if (kind === "external") yield "external";
  if (kind === "loadbalancer") yield "loadbalancer";
  if (kind === "cluster IP" && !isInCluster(dial)) yield "masquerade";
  if (kind !== "cluster IP" && service.spec?.externalTrafficPolicy === "Local") yield "policies";
  if (service.spec?.sessionAffinity === "ClientIP") yield "affinity";
}

type DoorKind = "cluster IP" | "node port" | "external" | "loadbalancer";

/** By its address alone where it has one of its own; undefined when it is no door of `service`. */
function kindOfDoor(
  { spec = {}, status }: KubernetesObject,
  address: string,
  port: number,
): DoorKind | undefined {
  const clusterIPs = spec.clusterIPs ?? [spec.clusterIP ?? ""];
  if (clusterIPs.includes(address)) return "cluster IP";
  if (spec.externalIPs?.includes(address)) return "external";
  const ingress: { ip?: string }[] = status?.loadBalancer?.ingress ?? [];
  if (ingress.some(({ ip }) => ip === address)) return "loadbalancer";
  return spec.ports?.some(({ nodePort }) => nodePort === port) ? "node port" : undefined;
}

/** Where the source address is kept: from Pods; and from nodes that have a proxy it is theirs. */
function isInCluster({ from }: Dial): boolean {
  const withProxy = NODES.filter(({ hasProxy }) => hasProxy).map(({ name }) => name as string);
  if (withProxy.includes(from)) return true;
  if (from === "outside" || from === "crowd" || from === "node-3") return false;
  return addressesOf(from).length > 0;
}
