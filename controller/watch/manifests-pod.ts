// A Pod in a YAML file → what the endpoint slice controller reads of it. Only manifests need Pods:
// in a real cluster the controller makes the EndpointSlices.

import { parseAddress } from "../model/ip.ts";
import { listOf, ObjectReader, type Parsed, recordOf, textOf, textsOf } from "../model/json.ts";
import type { Protocol } from "../model/types.ts";

export interface ContainerPort {
  name: string;
  protocol: Protocol;
  containerPort: number;
}

export interface Pod {
  namespace: string;
  name: string;
  labels: Record<string, string>;
  /** Canonical, of both families; empty while the Pod has none. */
  podIPs: string[];
  /** Empty while it is not scheduled. */
  nodeName: string;
  /** Phase Succeeded or Failed (as for evicted Pods): it will never answer again. */
  terminal: boolean;
  ready: boolean;
  /** It has a deletionTimestamp. */
  terminating: boolean;
  /** Ports of its containers, then of its sidecars (init containers that are always restarted). */
  ports: ContainerPort[];
}

/** Returns no value for a Pod without a name. Reports bad ports and addresses, and omits them. */
export function podFromObject(json: unknown): Parsed<Pod> {
  const reader = new ObjectReader("Pod", json, true);
  const { metadata, spec, status } = reader;
  const containers = listOf(spec.containers).map(recordOf);
  const sidecars = listOf(spec.initContainers)
    .map(recordOf)
    .filter(({ restartPolicy }) => restartPolicy === "Always");
  return reader.result({
    namespace: reader.namespace,
    name: reader.name,
    labels: textsOf(metadata.labels),
    podIPs: podIPs(reader),
    nodeName: textOf(spec.nodeName),
    terminal: status.phase === "Succeeded" || status.phase === "Failed",
    ready: isReady(reader),
    terminating: textOf(metadata.deletionTimestamp) !== "",
    ports: [...containers, ...sidecars].flatMap(({ ports }) => containerPorts(reader, ports)),
  });
}

function podIPs(reader: ObjectReader): string[] {
  const { podIPs: list, podIP } = reader.status;
  const texts = listOf(list).map((item) => recordOf(item).ip);
  const all = texts.length === 0 && textOf(podIP) !== "" ? [podIP] : texts;
  return reader.parsedTexts("status.podIPs", all, parseAddress);
}

/**
 * The condition Ready decides when present, as in a cluster. Hand-written Pods rarely have
 * conditions: without one, a Pod whose phase is Running, or not given, counts as ready.
 */
function isReady({ status }: ObjectReader): boolean {
  const conditions = listOf(status.conditions).map(recordOf);
  const ready = conditions.find(({ type }) => type === "Ready");
  if (ready) return ready.status === "True";
  return status.phase === undefined || status.phase === null || status.phase === "Running";
}

function containerPorts(reader: ObjectReader, list: unknown): ContainerPort[] {
  const ports: ContainerPort[] = [];
  for (const record of listOf(list).map(recordOf)) {
    const field = "ports of a container";
    const containerPort = reader.port(`${field}: containerPort`, record.containerPort, 1);
    const known = ["TCP", "UDP", "SCTP"] as const;
    const protocol = reader.oneOf(`${field}: protocol`, record.protocol, known);
    if (containerPort === undefined) continue;
    ports.push({ name: textOf(record.name), protocol, containerPort });
  }
  return ports;
}
