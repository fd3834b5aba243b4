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
import type { Role, UdpAddressBook } from "./udp-address-book.ts";

export interface UdpListener {
  name: string;
  frontend: FrontendKey;
  /** Whose it is. */
  service: ObjectKey;
  portName: string;
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
  /** Those that get new flows; sorted. Empty only where the kernel hands nothing over. */
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

const KINDS: readonly UdpListenerKind[] = ["keep", "masquerade", "local"];

/**
 * `frontends`: all UDP ones. A listener that is there stays as long as its frontend, wanted or not:
 * endpoints that come and go, the last one too, shall touch endpoints only.
 */
export function udpTargetFrom(
  frontends: Iterable<Frontend>,
  addresses: UdpAddressBook,
  options: UdpOptions,
): UdpTarget {
  const wanted: [Frontend, UdpListenerKind][] = [];
  const all = [...frontends];
  const doors = new Set(all.map(placeOf));
  for (const frontend of all) {
    const needed = kindsOf(frontend, options);
    const isWanted = (kind: UdpListenerKind) =>
      needed.includes(kind) || addresses.has(listenerRole(frontend, kind));
    wanted.push(
      ...KINDS.filter(isWanted).map((kind): [Frontend, UdpListenerKind] => [frontend, kind]),
    );
  }
  const roles = wanted.map(
    ([frontend, kind]): Role => [listenerRole(frontend, kind), frontend.address],
  );
  const assigned = addresses.assign(roles.sort(byName));
  const listeners = new Map<string, UdpListener>();
  const clusters = new Map<string, UdpCluster>();
  for (const [frontend, kind] of wanted) {
    const cluster = clusterOf(frontend, kind, doors);
    clusters.set(cluster.name, cluster);
    const address = assigned.get(listenerRole(frontend, kind)) as string;
    const listener = listenerOf(frontend, kind, address, cluster.name);
    listeners.set(listener.name, listener);
  }
  return {
    listeners: new Map([...listeners].sort(byName)),
    clusters: new Map([...clusters].sort(byName)),
  };
}

/** What the kernel needs to know of the listeners. Sorted by frontend. */
export function udpAddressesOf({ listeners }: UdpTarget): CaptureSet["udpAddresses"] {
  const addresses = new Map<FrontendKey, Partial<Record<UdpListenerKind, string>>>();
  for (const { frontend, kind, address } of listeners.values()) {
    addresses.set(frontend, { ...addresses.get(frontend), [kind]: address });
  }
  return new Map([...addresses].sort(byName));
}

/** The same of listeners that an Envoy was found to have. */
export function udpAddressesOfPresent(
  present: Iterable<Pick<UdpListener, "name" | "address">>,
): CaptureSet["udpAddresses"] {
  const addresses = new Map<FrontendKey, Partial<Record<UdpListenerKind, string>>>();
  for (const { name, address } of present) {
    const role = roleOfListener(name, address);
    const kind = KINDS.find((each) => role?.startsWith(`udp-${each}/`));
    if (role === undefined || kind === undefined) continue;
    const frontend = role.slice(`udp-${kind}/`.length);
    addresses.set(frontend, { ...addresses.get(frontend), [kind]: address });
  }
  return addresses;
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
function listenerRole({ key }: Frontend, kind: UdpListenerKind): string {
  return `udp-${kind}/${key}`;
}

/**
 * "udp-keep/10.96.0.10:53/UDP/240.0.0.1". With the address, since an Envoy has two for a role until
 * the kernel goes over from one to the other.
 */
function listenerName(role: string, address: string): string {
  return `${role}/${address}`;
}

/** The role of a listener by its name and address; undefined when it is none for UDP. */
export function roleOfListener(name: string, address: string): string | undefined {
  const end = listenerName("", address);
  return name.startsWith("udp-") && name.endsWith(end) ? name.slice(0, -end.length) : undefined;
}

function listenerOf(
  frontend: Frontend,
  kind: UdpListenerKind,
  address: string,
  cluster: string,
): UdpListener {
  const isDNS = frontend.port === DNS_PORT || DNS_PORT_NAME.test(frontend.portName);
  return {
    name: listenerName(listenerRole(frontend, kind), address),
    frontend: frontend.key,
    service: objectKey({ namespace: frontend.namespace, name: frontend.service }),
    portName: frontend.portName,
    kind,
    address,
    cluster,
    idleTimeoutSeconds: isDNS ? DNS_IDLE_SECONDS : IDLE_SECONDS,
    hasAffinity: frontend.affinityTimeoutSeconds > 0,
  };
}

/**
 * Backends that serve but are not in the list keep the flows that they have. A backend that is one
 * of the `doors` itself is left out: Envoy would ask itself, and that again, without end.
 */
function clusterOf(
  frontend: Frontend,
  kind: UdpListenerKind,
  doors: ReadonlySet<string>,
): UdpCluster {
  const isLocal = kind === "local";
  const list = isLocal ? frontend.localBackends : frontend.backends;
  const isNoDoor = (backend: Backend) => !doors.has(placeOf(backend));
  const present = new Set(list.map(placeOf));
  const serving = (frontend.servingBackends ?? []).filter(({ local }) => local || !isLocal);
  const others = serving.filter((backend) => !present.has(placeOf(backend)));
  return {
    name: clusterName(frontend, kind),
    hasAffinity: frontend.affinityTimeoutSeconds > 0,
    backends: list.filter(isNoDoor),
    leaving: others.filter(isNoDoor),
  };
}

function placeOf({ address, port }: Pick<Backend, "address" | "port">): string {
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
