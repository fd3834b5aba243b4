// Where Portico is meant to differ from kube-proxy. Nothing else may. README shows this list; each
// entry has to say what a user sees and why it is so.

import {
  type ClientName,
  LISTENING_PORTS,
  NODES,
  type NodeName,
  nameOfAddress,
  nodeOf,
} from "./lab.ts";
import type { Observation } from "./observe.ts";
import { dialsOf, doorFrom, type KubernetesObject, type Probe } from "./state.ts";

/** One probe, as both worlds answered it. */
export interface Compared {
  probe: Probe;
  objects: readonly KubernetesObject[];
  kubeProxy: Observation;
  portico: Observation;
}

export interface IntendedDifference {
  /** Short and stable; the report counts by it. */
  id: string;
  /** What a user sees, and why. One or two sentences. */
  reason: string;
  /** Whether it explains this difference wholly. */
  explains: (compared: Compared) => boolean;
}

export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = [
  {
    id: "refusing-backend",
    reason:
      "A Service whose every backend refuses, although its endpoints are ready: through " +
      "kube-proxy the client's connect() is refused; through Portico it succeeds and the " +
      "connection ends, because Envoy accepts before it dials the backends.",
    explains: ({ kubeProxy, portico }) =>
      isSame(distinct(kubeProxy), ["refused"]) &&
      isSame(distinct(portico.map(refusedLate)), ["refused late"]) &&
      portico.some((text) => text !== "refused"),
  },
  {
    id: "another-backend",
    reason:
      "A Service of which some backends refuse or do not answer: through kube-proxy the " +
      "clients that get one of them fail; through Portico they are all served by the others.",
    explains: ({ probe, objects, kubeProxy, portico }) => {
      const served = kubeProxy.filter((text) => text.includes(" sees "));
      const failures = kubeProxy.filter((text) => !served.includes(text));
      const hasReason = (text: string) =>
        (text === "refused" && hasDeadEndpoint(objects)) ||
        (text === "timeout" && isBypassed(probe));
      return (
        !isUDP(probe) &&
        failures.length > 0 &&
        failures.every(hasReason) &&
        served.length > 0 &&
        isSame(portico, served)
      );
    },
  },
  {
    id: "bypassing-reply",
    reason:
      "A Pod that dials another node's node port with externalTrafficPolicy Local: both keep its " +
      "address, so a backend on a third node answers it directly, and the connection fails. " +
      "Through kube-proxy it times out; Envoy learns of the failure and resets it.",
    explains: ({ kubeProxy, portico }) =>
      isSame(distinct(kubeProxy), ["timeout"]) &&
      isSame(distinct(portico.map(failedLate)), ["timeout"]) &&
      portico.some((text) => text === "reset"),
  },
  {
    id: "refusing-backend-udp",
    reason:
      "A backend that refuses datagrams: through kube-proxy the client hears of it " +
      "(ECONNREFUSED); through Portico it waits, because Envoy does not hand ICMP errors on.",
    explains: ({ probe, objects, kubeProxy, portico }) =>
      isUDP(probe) &&
      hasDeadEndpoint(objects) &&
      isSame(kubeProxy, ["refused"]) &&
      isSame(portico, ["timeout"]),
  },
  {
    id: "udp-flow-ends",
    reason:
      "A UDP flow whose Service is deleted, or loses its last endpoint: kube-proxy leaves it to " +
      "the old backend as long as it is busy (of a Service without endpoints: on node ports " +
      "only); Portico ends it everywhere, and answers it like a new one.",
    explains: ({ probe, objects, kubeProxy, portico }) =>
      isUDP(probe) &&
      probe.kind === "flow" &&
      hasNobody(objects) &&
      kubeProxy.every((text) => text.includes(" sees ")) &&
      (isSame(portico, ["refused"]) || isSame(portico, ["timeout"])),
  },
];

/**
 * Where Portico is run so that it does not heal: a client that gets a backend which refuses fails,
 * as with kube-proxy, but after it has connected.
 */
export const INTENDED_WITHOUT_HEALING: readonly IntendedDifference[] = [
  ...INTENDED_DIFFERENCES.filter(({ id }) => id !== "another-backend"),
  {
    id: "refusing-backend-late",
    reason:
      "A Service of which some backends refuse, with one attempt for each connection: the same " +
      "clients fail as through kube-proxy, but after their connect().",
    explains: ({ probe, objects, kubeProxy, portico }) =>
      !isUDP(probe) &&
      hasDeadEndpoint(objects) &&
      kubeProxy.includes("refused") &&
      isSame(distinct(kubeProxy.map(refusedLate)), distinct(portico.map(refusedLate))),
  },
];

/** Whether some endpoint leads to a port that nobody in the lab listens on. */
function hasDeadEndpoint(objects: readonly KubernetesObject[]): boolean {
  return objects.some(
    ({ kind, endpoints, ports }) =>
      kind === "EndpointSlice" &&
      endpoints.length > 0 &&
      ports.some(({ port }: { port: number }) => !LISTENING_PORTS.includes(port)),
  );
}

/** Whether there is nobody who could answer: no Service, or no endpoint of any. */
function hasNobody(objects: readonly KubernetesObject[]): boolean {
  const endpoints = objects.flatMap(({ kind, endpoints: listed }) =>
    kind === "EndpointSlice" ? listed : [],
  );
  return endpoints.length === 0 || !objects.some(({ kind }) => kind === "Service");
}

function isUDP(probe: Probe): boolean {
  return dialsOf(probe).every(({ protocol }) => protocol === "UDP");
}

/** What a refusal looks like once the client is connected: an end, or a reset if it wrote. */
function refusedLate(text: string): string {
  return ["refused", "eof", "reset"].includes(text) ? "refused late" : text;
}

/**
 * Whether the client is on another node than the proxy that it dials through: where its address is
 * kept, a backend on a third node answers it directly. Nothing else in the lab is silent.
 */
function isBypassed(probe: Probe): boolean {
  return dialsOf(probe).every(({ from, to }) => nodeOfClient(from) !== proxyingNode(from, to));
}

function nodeOfClient(from: ClientName): NodeName | undefined {
  return from === "outside" || from === "crowd" ? undefined : nodeOf(from);
}

/** A node's own addresses lead to it; to others leads the client's node, or node-1 (lab.ts). */
function proxyingNode(from: ClientName, to: string): NodeName {
  const dialled = nameOfAddress(doorFrom(to).address);
  const own = NODES.find(({ name }) => dialled === name || dialled.startsWith(`${name}'s`));
  const nearest = NODES.find(({ name, hasProxy }) => hasProxy && name === nodeOfClient(from));
  return (own ?? nearest)?.name ?? "node-1";
}

function failedLate(text: string): string {
  return text === "reset" || text === "eof" ? "timeout" : text;
}

function distinct(texts: Observation): Observation {
  return [...new Set(texts)];
}

export function isSame(one: Observation, other: Observation): boolean {
  const [left, right] = [[...one].sort(), [...other].sort()];
  return left.length === right.length && left.every((text, index) => text === right[index]);
}
