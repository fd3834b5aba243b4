// What is compared: states of a cluster, and probes of each. Types, and short ways to write the
// objects and the probes; the states themselves are in states/ and generate.ts.

import {
  addressesOf,
  addressOf,
  type ClientName,
  type Family,
  familyOf,
  type NodeName,
  nodeOf,
  type PodName,
} from "./lab.ts";
import type { Tag } from "./tags.ts";

/** As it stands in YAML. */
export interface KubernetesObject {
  apiVersion: string;
  kind: "Service" | "Pod" | "EndpointSlice" | "NetworkPolicy";
  /** The states' own namespace when there is none. */
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: ServiceSpec;
  // biome-ignore lint/suspicious/noExplicitAny: what the API takes, beyond what tags.ts reads
  [field: string]: any;
}

export interface ServiceSpec {
  type?: string;
  clusterIP?: string;
  clusterIPs?: string[];
  ports?: ServicePort[];
  externalIPs?: string[];
  sessionAffinity?: string;
  internalTrafficPolicy?: string;
  externalTrafficPolicy?: string;
  loadBalancerSourceRanges?: string[];
  [field: string]: unknown;
}

interface ServicePort {
  name?: string;
  port: number;
  protocol?: string;
  nodePort?: number;
  targetPort?: number | string;
}

export type Protocol = "TCP" | "UDP";

/** Where to: "address:port", "[address]:port". */
export interface Dial {
  from: ClientName;
  to: string;
  protocol: Protocol;
}

/**
 * spread: many independent tries; what counts is the set of backends.
 * sequence: tries one after the other; what counts is which of them found the same backend.
 * moves: the same, where chance decides; what counts is whether more than one backend was found.
 * flow: one socket that lives on through the steps of a state; what counts is who answers now.
 * health: GET on a health check node port; what counts is the answer.
 */
export type Probe = (
  | (Dial & { kind: "spread" })
  | { kind: "sequence" | "moves"; dials: readonly Dial[]; pauseMs: number }
  | (Dial & { kind: "flow"; flow: string })
  | (Dial & { kind: "health" })
) & {
  /** What it needs beyond what tags.ts finds out by itself. */
  tags?: readonly Tag[];
};

export interface Step {
  /** All there is, beside Nodes and ServiceCIDRs. */
  objects: readonly KubernetesObject[];
  probes: readonly Probe[];
}

export interface State {
  /** Unique; says what is so. */
  name: string;
  /** From one to the next, objects of the same name change; flows live on. */
  steps: readonly Step[];
}

/** A Service "web" with port 80, at 10.96.0.10 unless `spec` says otherwise. */
export function service(spec: ServiceSpec = {}, fields: ObjectFields = {}): KubernetesObject {
  const { name = "web", labels = {}, ...rest } = fields;
  const ip = spec.clusterIPs?.[0] ?? "10.96.0.10";
  const address = spec.type === "ExternalName" ? {} : { clusterIP: ip };
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, labels },
    spec: { ...address, ports: [{ port: 80, targetPort: 8080 }], ...spec },
    ...rest,
  };
}

interface ObjectFields {
  name?: string;
  labels?: Record<string, string>;
  [field: string]: unknown;
}

/** status.loadBalancer of a Service, as a cloud would write it. */
export function ingress(...ips: (string | { ip: string; ipMode: string })[]): object {
  const all = ips.map((each) => (typeof each === "string" ? { ip: each } : each));
  return { loadBalancer: { ingress: all } };
}

/**
 * A Pod with the label app=web, whose container names its ports http and admin. A Service with a
 * selector gets its slices from the real controller.
 */
export function pod(name: PodName, isReady = true): KubernetesObject {
  const ports = [
    { name: "http", containerPort: 8080 },
    { name: "admin", containerPort: 9090 },
  ];
  const ips = addressesOf(name).map((ip) => ({ ip }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: "web" } },
    spec: { nodeName: nodeOf(name), containers: [{ name: "main", image: "none", ports }] },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
      podIP: ips[0]?.ip,
      podIPs: ips,
    },
  };
}

export interface EndpointFacts {
  conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
  zoneHints?: readonly string[];
  nodeHints?: readonly string[];
}

export const UNREADY = { ready: false, serving: false, terminating: false };
/** Going, but it still answers; and going, and it does not any more. */
export const TERMINATING = { ready: false, serving: true, terminating: true };
export const GONE = { ready: false, serving: false, terminating: true };

/** A Pod; or a node: a Pod in its host network. */
export type Endpoint = PodName | NodeName;

interface ListedEndpoint extends EndpointFacts {
  who: Endpoint;
}

export function endpoint(who: Endpoint, facts: EndpointFacts = {}): ListedEndpoint {
  return { who, ...facts };
}

interface SliceFields {
  service?: string;
  name?: string;
  family?: Family;
  ports?: readonly { name?: string; port: number; protocol?: string }[];
  labels?: Record<string, string>;
}

/** A slice of "web" with port 8080 over TCP, unless `fields` say otherwise. */
export function slice(
  endpoints: readonly (Endpoint | ListedEndpoint)[],
  fields: SliceFields = {},
): KubernetesObject {
  const { service: owner = "web", family = "IPv4", ports = [{ port: 8080 }] } = fields;
  const name = fields.name ?? `${owner}-${family.toLowerCase()}`;
  const labels = { "kubernetes.io/service-name": owner, ...fields.labels };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, labels },
    addressType: family,
    ports: ports.map((port) => ({ name: "", protocol: "TCP", ...port })),
    endpoints: endpoints.map((each) =>
      sliceEndpoint(typeof each === "string" ? { who: each } : each, family),
    ),
  };
}

function sliceEndpoint(listed: ListedEndpoint, family: Family): object {
  const { who, conditions, zoneHints, nodeHints } = listed;
  const zones = zoneHints && { forZones: zoneHints.map((name) => ({ name })) };
  const nodes = nodeHints && { forNodes: nodeHints.map((name) => ({ name })) };
  return {
    addresses: [addressOf(who, family)],
    nodeName: nodeOf(who),
    conditions: conditions ?? { ready: true },
    ...(zones || nodes ? { hints: { ...zones, ...nodes } } : {}),
  };
}

/** Everybody who can be told apart: a Pod without and one with a backend, hosts, strangers. */
export const CLIENTS: readonly ClientName[] = [
  "client-1",
  "pod-a",
  "client-2",
  "node-1",
  "node-2",
  "node-3",
  "outside",
];

export type ClientList = readonly ClientName[];

/** A spread probe from each of `clients` (absent: CLIENTS) to each of `doors`. */
export function spread(
  doors: readonly string[],
  clients: ClientList = CLIENTS,
  protocol: Protocol = "TCP",
): Probe[] {
  return doors.flatMap((to) =>
    clients.map((from): Probe => ({ kind: "spread", from, to, protocol })),
  );
}

/** The same client dials these doors one after the other. */
export function sequence(
  from: ClientName,
  doors: readonly string[],
  more: { protocol?: Protocol; pauseMs?: number; kind?: "sequence" | "moves" } = {},
): Probe {
  const { protocol = "TCP", pauseMs = 0, kind = "sequence" } = more;
  return { kind, dials: doors.map((to) => ({ from, to, protocol })), pauseMs };
}

export function flow(name: string, from: ClientName, to: string, protocol: Protocol): Probe {
  return { kind: "flow", flow: name, from, to, protocol };
}

/** The probes need this as well, which nobody can tell from them. */
export function tagged(tags: readonly Tag[], probes: readonly Probe[]): Probe[] {
  return probes.map((probe) => ({ ...probe, tags }));
}

/** A state of one step. */
export function state(
  name: string,
  objects: readonly KubernetesObject[],
  probes: readonly Probe[],
): State {
  return { name, steps: [{ objects, probes }] };
}

export function dialsOf(probe: Probe): readonly Dial[] {
  return "dials" in probe ? probe.dials : [probe];
}

/** "[fd00::1]:80" → its parts. */
export function doorFrom(to: string): { address: string; port: number } {
  const colon = to.lastIndexOf(":");
  return { address: to.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(to.slice(colon + 1)) };
}

/** "address:port", as probes want it. */
export function door(address: string, port: number): string {
  return familyOf(address) === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
}
