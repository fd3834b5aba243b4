// UDP frontends of the node view → the listeners and clusters that Envoy is to have for them, as
// plain data (udp-resources.ts makes resources of it). Pure but for the addresses, which are drawn.
//
// A frontend has a listener for each way in which its datagrams may have to be treated, since Envoy
// can neither choose the source address nor the list for one datagram. Which way a client's
// datagrams go is the kernel's decision (controller/capture/chains.ts). Frontends of one Service's
// port that have a list in common share its cluster.

import { objectKey } from "../model/cluster-state.ts";
import type { IPFamily, ObjectKey } from "../model/types.ts";
import { isLoopback } from "../node/node-port-addresses.ts";
import type {
  Backend,
  CaptureSet,
  Frontend,
  FrontendKey,
  UdpListenerKind,
  Verdict,
} from "../node/types.ts";
import type { UdpAddressBook } from "./udp-address-book.ts";

export interface UdpListener {
  name: string;
  frontend: FrontendKey;
  /** Whose it is. */
  service: ObjectKey;
  kind: UdpListenerKind;
  /** Where it is bound. */
  address: string;
  cluster: string;
  /** Flows that are silent for longer end. */
  idleTimeoutSeconds: number;
  hasAffinity: boolean;
}

export interface UdpCluster {
  name: string;
  hasAffinity: boolean;
  /** Those that get new flows; sorted, not empty. */
  backends: readonly Backend[];
  /** Those that only keep the flows they have; sorted. */
  leaving: readonly Backend[];
}

/** Sorted by name. */
export interface UdpTarget {
  listeners: ReadonlyMap<string, UdpListener>;
  clusters: ReadonlyMap<string, UdpCluster>;
}

export const EMPTY_UDP_TARGET: UdpTarget = { listeners: new Map(), clusters: new Map() };

export interface UdpOptions {
  masqueradeAll: boolean;
  /** Families in which Pods of this node are told from other clients. */
  podFamilies: readonly IPFamily[];
}

/**
 * A DNS client asks from a new port every time, and gives up (or asks again) after 5 seconds. Each
 * flow holds one of the node's local ports until it ends: this times the rate must stay below their
 * number, 28,232 by default.
 */
const DNS_IDLE_SECONDS = 5;
/**
 * kube-proxy's flows end with their conntrack entry: 30 s after the last datagram, or 120 s once it
 * is a stream (nf_conntrack_udp_timeout, …_stream). Whoever keeps a flow alive does so at least
 * every 30 s, for NATs: so a little more than that. One that is silent for longer may find itself
 * at another endpoint, where kube-proxy would have kept it for up to 120 s.
 */
const IDLE_SECONDS = 35;
const DNS_PORT = 53;
const DNS_PORT_NAME = /^dns(-|$)/;

/** `frontends`: all UDP ones; those that are refused or dropped get nothing. */
export function udpTargetFrom(
  frontends: Iterable<Frontend>,
  addresses: UdpAddressBook,
  options: UdpOptions,
): UdpTarget {
  const wanted: [Frontend, UdpListenerKind][] = [];
  for (const frontend of frontends) {
    for (const kind of kindsOf(frontend, options)) wanted.push([frontend, kind]);
  }
  const named = wanted.map((each) => [listenerName(...each), each] as const);
  const sorted = new Map(named.sort(byName));
  const assigned = addresses.assign([...sorted].map(([name, [{ family }]]) => [name, family]));
  const listeners = new Map<string, UdpListener>();
  const clusters = new Map<string, UdpCluster>();
  for (const [name, [frontend, kind]] of sorted) {
    const cluster = clusterOf(frontend, kind);
    clusters.set(cluster.name, cluster);
    const address = assigned.get(name) as string;
    listeners.set(name, listenerOf(frontend, kind, address, cluster.name));
  }
  return { listeners, clusters: new Map([...clusters].sort(byName)) };
}

/** What the kernel needs to know of the listeners. Sorted by frontend. */
export function udpAddressesOf({ listeners }: UdpTarget): CaptureSet["udpAddresses"] {
  const addresses = new Map<FrontendKey, Partial<Record<UdpListenerKind, string>>>();
  for (const { frontend, kind, address } of listeners.values()) {
    addresses.set(frontend, { ...addresses.get(frontend), [kind]: address });
  }
  return new Map([...addresses].sort(byName));
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** The listeners that the kernel's rules for its verdict may hand its datagrams to. */
function kindsOf({ verdict, family }: Frontend, options: UdpOptions): readonly UdpListenerKind[] {
  const pods: UdpListenerKind[] = options.podFamilies.includes(family) ? ["keep"] : [];
  const cluster: UdpListenerKind[] = options.masqueradeAll ? [] : ["keep"];
  const others: UdpListenerKind[] = options.masqueradeAll || pods.length > 0 ? ["masquerade"] : [];
  const kinds: Record<Verdict, readonly UdpListenerKind[]> = {
    keep: [...cluster, ...others],
    masquerade: ["masquerade"],
    local: [...pods, "local", "masquerade"],
    "short-circuit": [...pods, "masquerade"],
    refuse: [],
    drop: [],
  };
  return kinds[verdict];
}

/** "udp-keep/10.96.0.10:53/UDP" */
function listenerName({ key }: Frontend, kind: UdpListenerKind): string {
  return `udp-${kind}/${key}`;
}

function listenerOf(
  frontend: Frontend,
  kind: UdpListenerKind,
  address: string,
  cluster: string,
): UdpListener {
  const isDNS = frontend.port === DNS_PORT || DNS_PORT_NAME.test(frontend.portName);
  return {
    name: listenerName(frontend, kind),
    frontend: frontend.key,
    service: objectKey({ namespace: frontend.namespace, name: frontend.service }),
    kind,
    address,
    cluster,
    idleTimeoutSeconds: isDNS ? DNS_IDLE_SECONDS : IDLE_SECONDS,
    hasAffinity: frontend.affinityTimeoutSeconds > 0,
  };
}

/** Backends that serve but are not in the list keep the flows that they have. */
function clusterOf(frontend: Frontend, kind: UdpListenerKind): UdpCluster {
  const isLocal = kind === "local";
  const backends = isLocal ? frontend.localBackends : frontend.backends;
  const present = new Set(backends.map(placeOf));
  const serving = (frontend.servingBackends ?? []).filter(({ local }) => local || !isLocal);
  return {
    name: clusterName(frontend, kind),
    hasAffinity: frontend.affinityTimeoutSeconds > 0,
    backends,
    leaving: serving.filter((backend) => !present.has(placeOf(backend))),
  };
}

function placeOf({ address, port }: Backend): string {
  return `${address} ${port}`;
}

/**
 * "udp/default/dns/dns-udp/IPv4/internal". What it is made of never changes under a name, but for
 * its endpoints: a cluster that changes loses its flows.
 */
function clusterName(frontend: Frontend, kind: UdpListenerKind): string {
  const { namespace, service, portName, family, affinityTimeoutSeconds } = frontend;
  const list = kind === "local" ? "local" : sideOf(frontend);
  const affinity = affinityTimeoutSeconds > 0 ? ["affinity"] : [];
  return ["udp", namespace, service, portName, family, list, ...affinity].join("/");
}

/** Doors of one side of a Service's port have the same cluster list (controller/node/doors.ts). */
function sideOf({ kind, address }: Frontend): "internal" | "external" | "loopback" {
  if (kind === "ClusterIP") return "internal";
  return kind === "NodePort" && isLoopback(address) ? "loopback" : "external";
}
