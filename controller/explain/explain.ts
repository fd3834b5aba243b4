// A question (which client dials what), what the controller knows, and evidence from data plane and
// kernel → the explanation of that connection. Pure: the same in, the same out. Where evidence
// lacks an answer it notes the question (evidence.ts), and the result must not be shown yet.

import { addressAndPort, familyOf } from "../model/ip.ts";
import type { Endpoint, TrafficPolicy } from "../model/types.ts";
import { isLoopback } from "../node/node-port-addresses.ts";
import type { Backend } from "../node/types.ts";
import type { EjectedBackend } from "../wire/ejection-list.ts";
import type { FrontendIdentity } from "../wire/key.ts";
import { type Asked, placeOfAsked } from "./asked.ts";
import { clientFrom } from "./client.ts";
import { decisionsFrom } from "./decisions.ts";
import { backendDisagreements, kernelDisagreements } from "./disagreements.ts";
import { ejectedFor } from "./ejections.ts";
import {
  type KnownFrontend,
  knownFrontendAt,
  leftOutOf,
  policyFor,
  serviceOf,
  whoIs,
} from "./endpoints.ts";
import type { Evidence, RememberedBackend } from "./evidence.ts";
import type {
  Client,
  ExplainedBackend,
  ExplainedFrontend,
  Explanation,
  KernelPart,
  LeftOut,
} from "./explanation.ts";
import type { KernelTable } from "./kernel-table.ts";
import {
  backendWay,
  type Dialled,
  type KernelWay,
  kernelWay,
  type Upstream,
} from "./kernel-way.ts";
import type { KnownCluster } from "./known-cluster.ts";
import { nearMisses } from "./near-misses.ts";
import { notesFrom } from "./notes.ts";
import { outcomeOf, summaryOf } from "./outcome.ts";

/** The kernel's part that does not depend on the question. */
interface Kernel {
  table: KernelTable;
  /** What differs from what Portico left, in words. */
  changes: readonly string[];
  /** The packet mark of Envoy's TCP connections to backends. */
  envoyMark: number;
  /** The same for those that the kernel masquerades. */
  masqueradedMark: number;
}

/**
 * Returns the explanation of one connection. Valid only if `evidence` lacked nothing: otherwise the
 * caller looks up what it lacks, and calls again.
 */
export function explain(
  asked: Asked,
  known: KnownCluster,
  kernel: Kernel,
  evidence: Evidence,
): Explanation {
  const key = placeOfAsked(asked);
  const client = clientFrom(clientAddress(asked, known, evidence), known, evidence);
  const way = kernelWay({ ...asked, client: client.address }, kernel.table, evidence);
  const knownFrontend = knownFrontendAt(key, known);
  const isFromOutside = way.handing
    ? way.handing === "local"
    : client.kind !== "host" && client.kind !== "local-pod";
  const policy = knownFrontend ? policyFor(knownFrontend, isFromOutside) : "Cluster";
  const listed = listedBackends(asked, way, evidence);
  const endpoints = new Map(
    knownFrontend?.endpoints.map(({ endpoint, port }) => {
      return [addressAndPort(endpoint.address, port), endpoint] as const;
    }),
  );
  const remembered = rememberedBackend(asked, client, way, evidence);
  const ejected = ejectedBackends(asked, client, way, listed ?? [], evidence);
  const backends = (listed ?? []).map((backend) =>
    explained(backend, {
      asked,
      client,
      way,
      knownFrontend,
      endpoints,
      remembered,
      ejected,
      kernel,
      evidence,
    }),
  );
  const out = knownFrontend ? leftOut(knownFrontend, policy, listed, known) : [];
  const outcome = outcomeOf(way, backends);
  const part = kernelPart(asked, way, evidence);
  const frontDoor = explainedFrontendFrom(asked, part, knownFrontend, evidence);
  const seen = { key, knownFrontend, element: part.element, table: kernel.table, way };
  return {
    from: client,
    to: key,
    outcome,
    summary: summaryOf({ asked, outcome, way, knownFrontend, isFromOutside, backends }),
    disagreements: [
      ...kernelDisagreements({
        ...seen,
        changes: kernel.changes,
        failures: evidence.failures,
        lastSyncError: known.lastSyncError,
      }),
      ...(way.end === "envoy" ? backendDisagreements(knownFrontend, out, listed) : []),
    ],
    frontDoor,
    nearMisses: frontDoor ? [] : nearMisses(asked, known),
    kernel: part,
    listener: way.listener?.name,
    cluster: way.listener?.udp?.cluster,
    decisions: knownFrontend ? decisionsFrom(knownFrontend, policy, client, way) : [],
    backends,
    leftOut: out,
    notes: notesFrom({ asked, client, outcome, knownFrontend, known, evidence }),
  };
}

/** For a process of the node without a given address: the one that the kernel would choose. */
function clientAddress({ client, address }: Asked, { node }: KnownCluster, evidence: Evidence) {
  if (client !== undefined) return client;
  const { source } = evidence.route(address);
  const own = node.primaryAddresses.find((each) => familyOf(each) === familyOf(address));
  const loopback = familyOf(address) === "IPv4" ? "127.0.0.1" : "::1";
  return source || (own ?? loopback);
}

type Place = Pick<Backend, "address" | "port">;

/** Returns Envoy's list for the connection; undefined when Envoy does not get it, or has none. */
function listedBackends(
  asked: Asked,
  { end, handing, listener }: KernelWay,
  evidence: Evidence,
): readonly Place[] | undefined {
  if (end !== "envoy") return undefined;
  if (asked.protocol === "UDP") return listener?.udp?.hosts.filter(({ leaving }) => !leaving);
  const list = handing === "local" ? "local" : "cluster";
  return evidence.record(identityOf(asked), list)?.backends;
}

/** By session affinity, for TCP only: UDP uses a hash. */
function rememberedBackend(
  asked: Asked,
  client: Client,
  { end, handing }: KernelWay,
  evidence: Evidence,
): RememberedBackend | undefined {
  if (end !== "envoy" || asked.protocol !== "TCP") return undefined;
  const list = handing === "local" ? "local" : "cluster";
  const record = evidence.record(identityOf(asked), list);
  if (!record || record.affinityTimeoutSeconds === 0) return undefined;
  return evidence.session(identityOf(asked), list, client.address);
}

function ejectedBackends(
  asked: Asked,
  client: Client,
  { end, handing }: KernelWay,
  backends: readonly Place[],
  evidence: Evidence,
): ReadonlyMap<string, EjectedBackend> {
  if (end !== "envoy") return new Map();
  const list = handing === "local" ? "local" : "cluster";
  const of = { frontend: identityOf(asked), list, client: client.address, backends } as const;
  return ejectedFor(of, evidence);
}

interface Surroundings {
  asked: Asked;
  client: Client;
  way: KernelWay;
  knownFrontend: KnownFrontend | undefined;
  /** The frontend's endpoints, by place. */
  endpoints: ReadonlyMap<string, Endpoint>;
  remembered: RememberedBackend | undefined;
  /** By place. */
  ejected: ReadonlyMap<string, EjectedBackend>;
  kernel: Kernel;
  evidence: Evidence;
}

function explained(backend: Place, around: Surroundings): ExplainedBackend {
  const { asked, client, way, knownFrontend, endpoints, remembered, kernel, evidence } = around;
  const dialled: Dialled = { ...asked, ...backend, client: client.address };
  const upstream = upstreamOf(asked, client, way, kernel);
  const onItsWay = backendWay(dialled, upstream, kernel.table, evidence);
  const { source, isTranslated, isForwarded, seen, end } = onItsWay;
  const isMasqueraded = upstream.source === undefined || way.handing === "masquerade";
  const other = client.address === backend.address ? "hairpin" : "bridge";
  const translation = isMasqueraded ? "masqueraded" : other;
  const place = addressAndPort(backend.address, backend.port);
  const endpoint = endpoints.get(place) ?? { ...NAMELESS, address: backend.address };
  return {
    ...whoIs(endpoint, backend.port, knownFrontend?.service.namespace ?? ""),
    source,
    sourceIs: isTranslated || upstream.source === undefined ? translation : "kept",
    seenIn: isForwarded ? "forward" : "output",
    seenFrom: seen,
    blocked: end === "reached" ? undefined : end,
    rememberedSeconds:
      remembered && addressAndPort(remembered.address, remembered.port) === place
        ? remembered.seconds
        : undefined,
    ejected: around.ejected.get(place),
  };
}

function upstreamOf(asked: Asked, client: Client, way: KernelWay, kernel: Kernel): Upstream {
  const { handing, added } = way;
  // As in xds/resources.ts and xds/udp-target.ts.
  const isUDP = asked.protocol === "UDP";
  const isOfNode = isUDP ? isLoopback(asked.address) : handing === "host";
  const ofTCP = handing === "masquerade" ? kernel.masqueradedMark : kernel.envoyMark;
  // Envoy's UDP sockets carry no mark.
  return { source: isOfNode ? undefined : client.address, mark: isUDP ? 0 : ofTCP, added };
}

/** A backend of which the controller knows no endpoint. */
const NAMELESS = {
  ready: true,
  serving: true,
  terminating: false,
  nodeName: "",
  zone: "",
  zoneHints: [],
  nodeHints: [],
};

function kernelPart(asked: Asked, { steps }: KernelWay, evidence: Evidence): KernelPart {
  const { address, port, protocol } = asked;
  const set = `frontends_${familyOf(address) === "IPv4" ? "v4" : "v6"}`;
  const element = evidence.element(set, `${address} . ${protocol.toLowerCase()} . ${port}`);
  const deciding =
    steps.findLast(({ elements }) => elements.some((each) => each.set === set)) ??
    steps.findLast(({ elements }) => elements.length > 0);
  return {
    element: element && { set, ...element },
    rule: deciding && `${deciding.chain}: ${deciding.rule}`,
    steps,
  };
}

function identityOf({ address, port, protocol }: Asked): FrontendIdentity {
  return { family: familyOf(address), address, port, protocol };
}

/** Uses the controller's knowledge, or Envoy's where only Envoy and the kernel know it. */
function explainedFrontendFrom(
  asked: Asked,
  { element }: KernelPart,
  knownFrontend: KnownFrontend | undefined,
  evidence: Evidence,
): ExplainedFrontend | null {
  const key = placeOfAsked(asked);
  if (knownFrontend) {
    const { frontend } = knownFrontend;
    const { kind, portName } = frontend;
    return { key, kind, service: serviceOf(frontend), portName };
  }
  const record = element && evidence.record(identityOf(asked), "cluster");
  if (!record) return null;
  return { key, kind: record.kind, service: serviceOf(record), portName: record.portName };
}

/** xds/udp-target.ts leaves endpoints that are frontends themselves out of UDP lists. */
function leftOut(
  knownFrontend: KnownFrontend,
  policy: TrafficPolicy,
  listed: readonly Place[] | undefined,
  known: KnownCluster,
): LeftOut[] {
  const { frontend, endpoints, service } = knownFrontend;
  const frontends = endpoints.flatMap(({ endpoint, port, leftOut: left }): LeftOut[] => {
    const who = whoIs(endpoint, port, service.namespace);
    const isFrontend = known.frontends.has(`${who.place}/UDP`) && frontend.protocol === "UDP";
    if (left[policy] !== undefined || !isFrontend) return [];
    if (listed?.some(({ address }) => address === endpoint.address)) return [];
    return [
      { ...who, reason: "front-place", why: "itself a frontend: Envoy would send to itself" },
    ];
  });
  return [...leftOutOf(knownFrontend, policy, known.node), ...frontends];
}
