// A UDP frontend of the node view → the listeners and clusters that Envoy should have for it, as
// plain data (udp-resources.ts makes the resources). Pure. sync/target-udp.ts keeps those of all.
//
// A frontend has a listener for each way in which its datagrams may be treated, since Envoy can
// choose neither the source address nor the list for a single datagram. The kernel decides which
// way a client's datagrams go (controller/node/hand-over.ts). Frontends of one Service's port that
// share a list share its cluster.

import { objectKey } from "../model/cluster-state.ts";
import type { IPFamily, ObjectKey } from "../model/types.ts";
import { backendDifference, comparePlaces } from "../node/backend-lists.ts";
import { type ListenerKind, listenerKindsOf } from "../node/hand-over.ts";
import { isLoopback } from "../node/node-port-addresses.ts";
import type { Backend, Frontend, FrontendKey } from "../node/types.ts";

export interface UdpListener {
  name: string;
  frontend: FrontendKey;
  /** The Service that it belongs to. */
  service: ObjectKey;
  portName: string;
  kind: ListenerKind;
  /** Whether Envoy sends from the client's address, which the kernel may then masquerade. */
  keepsSource: boolean;
  /** Where it is bound. */
  address: string;
  cluster: string;
  /** Flows that are idle for longer end. */
  idleTimeoutSeconds: number;
  /** The client's address selects the backend. */
  hasAffinity: boolean;
}

export interface UdpCluster {
  name: string;
  hasAffinity: boolean;
  /** New flows go to one backend after the other, as often as its weight says. */
  takesTurns?: boolean;
  /** Those that get new flows; sorted. Empty only where the kernel hands nothing over. */
  backends: readonly Backend[];
  /** Those that only keep their existing flows; sorted. */
  leaving: readonly Backend[];
}

/** Names of what changed, appeared or went. */
interface UdpChanges {
  listeners: Iterable<string>;
  clusters: Iterable<string>;
}

/** By name, in no particular order; both maps may change in place. */
export interface UdpTarget {
  listeners: ReadonlyMap<string, UdpListener>;
  clusters: ReadonlyMap<string, UdpCluster>;
  /** Returns what differs from the last call; undefined: anything may. */
  takeChanges(): UdpChanges | undefined;
}

export interface UdpOptions {
  masqueradeAll: boolean;
  /** Families in which the rules distinguish Pods of this node from other clients. */
  podFamilies: readonly IPFamily[];
}

/**
 * A DNS client uses a new port for each query, and gives up (or asks again) after 5 seconds. Each
 * flow holds one of the node's local ports until it ends: this times the rate must stay below their
 * number, 28,232 by default.
 */
const DNS_IDLE_SECONDS = 5;
/**
 * kube-proxy's flows end with their conntrack entry: 30 s after the last datagram, or 120 s once it
 * is a stream (nf_conntrack_udp_timeout, …_stream). Programs that keep a flow alive send at least
 * every 30 s, because of NATs: so a little more than that. A flow that is silent for longer may
 * move to another endpoint; kube-proxy would have kept it for up to 120 s.
 */
const IDLE_SECONDS = 35;
const DNS_PORT = 53;
const DNS_PORT_NAME = /^dns(-|$)/;

/** Returns the listeners to which the kernel's rules for its verdict may hand its datagrams. */
export function neededKinds(
  { verdict, family }: Frontend,
  { masqueradeAll, podFamilies }: UdpOptions,
): readonly ListenerKind[] {
  return listenerKindsOf(verdict, { masqueradeAll, detectsPods: podFamilies.includes(family) });
}

/** Returns "udp-keep/10.96.0.10:53/UDP". */
export function listenerRole(frontend: FrontendKey, kind: ListenerKind): string {
  return `udp-${kind}/${frontend}`;
}

/**
 * "udp-keep/10.96.0.10:53/UDP/240.0.0.1". The address is included, since an Envoy has two for a
 * role until the kernel switches from one to the other.
 */
function listenerName(role: string, address: string): string {
  return `${role}/${address}`;
}

/** Returns the role of a listener by its name and address; undefined for one that is not UDP. */
export function roleOfListener(name: string, address: string): string | undefined {
  const end = listenerName("", address);
  return name.startsWith("udp-") && name.endsWith(end) ? name.slice(0, -end.length) : undefined;
}

/** Session affinity decides before a balancing does. */
function goesByClient({ affinityTimeoutSeconds, settings }: Frontend): boolean {
  return affinityTimeoutSeconds > 0 || settings.balancing === "client-hash";
}

/** The others are for TCP only: Envoy counts no connections of UDP, and picks at random. */
function takesTurns(frontend: Frontend): boolean {
  const { balancing } = frontend.settings;
  return !goesByClient(frontend) && (balancing === "round-robin" || balancing === "weighted");
}

/** Returns a frontend's listener of a kind, bound to `address`. */
export function udpListenerOf(
  frontend: Frontend,
  kind: ListenerKind,
  address: string,
): UdpListener {
  const isDNS = frontend.port === DNS_PORT || DNS_PORT_NAME.test(frontend.portName);
  return {
    name: listenerName(listenerRole(frontend.key, kind), address),
    frontend: frontend.key,
    service: objectKey({ namespace: frontend.namespace, name: frontend.service }),
    portName: frontend.portName,
    kind,
    // Only a process of the host can have 127.0.0.1, from which the kernel sends to no Pod.
    keepsSource: kind !== "masquerade" || !isLoopback(frontend.address),
    address,
    cluster: clusterName(frontend, kind),
    idleTimeoutSeconds: isDNS ? DNS_IDLE_SECONDS : IDLE_SECONDS,
    hasAffinity: goesByClient(frontend),
  };
}

/**
 * Returns the cluster of a frontend's listener of a kind. Backends that serve but are not in the
 * list keep their existing flows. Leaves out a backend that is itself a UDP frontend: Envoy would
 * send to itself, without end.
 */
export function udpClusterOf(
  frontend: Frontend,
  kind: ListenerKind,
  isFrontend: (backend: Backend) => boolean,
): UdpCluster {
  const { list, serving } = backendsBehind(frontend, kind);
  const keptOf = (all: readonly Backend[]) =>
    all.some(isFrontend) ? all.filter((backend) => !isFrontend(backend)) : all;
  return {
    name: clusterName(frontend, kind),
    hasAffinity: goesByClient(frontend),
    ...(takesTurns(frontend) && { takesTurns: true }),
    backends: keptOf(list),
    leaving: keptOf(backendDifference(list, serving).come),
  };
}

/** Returns all backends of that cluster, including those that it leaves out; sorted. */
export function allBackendsBehind(frontend: Frontend, kind: ListenerKind): readonly Backend[] {
  const { list, serving } = backendsBehind(frontend, kind);
  const { gone: onlyInList } = backendDifference(list, serving);
  if (onlyInList.length === 0) return serving;
  return [...serving, ...onlyInList].sort(comparePlaces);
}

/** Both sorted. */
function backendsBehind(frontend: Frontend, kind: ListenerKind) {
  const { servingBackends = [] } = frontend;
  if (kind !== "local") return { list: frontend.backends, serving: servingBackends };
  return { list: frontend.localBackends, serving: servingBackends.filter(({ local }) => local) };
}

/**
 * "udp/default/dns/dns-udp/IPv4/internal". Under one name only the endpoints change: a cluster that
 * changes loses its flows.
 */
function clusterName(frontend: Frontend, kind: ListenerKind): string {
  const { namespace, service, portName, family } = frontend;
  const list = kind === "local" ? "local" : sideOf(frontend);
  const affinity = goesByClient(frontend) ? ["affinity"] : [];
  const turns = takesTurns(frontend) ? ["turns"] : [];
  return ["udp", namespace, service, portName, family, list, ...affinity, ...turns].join("/");
}

/** Frontends of one side of a Service's port have the same cluster list (frontend-places.ts). */
function sideOf({ kind, address }: Frontend): "internal" | "external" | "loopback" {
  if (kind === "ClusterIP") return "internal";
  return kind === "NodePort" && isLoopback(address) ? "loopback" : "external";
}
