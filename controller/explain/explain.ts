// A question (who dials what), what the controller knows, and evidence of what data plane and
// kernel have → the explanation of that connection. Pure: the same in, the same out. Where evidence
// lacks an answer it has noted that (evidence.ts), and the result is not worth showing yet.

import { addressAndPort, familyOf } from "../model/ip.ts";
import type { Endpoint, TrafficPolicy } from "../model/types.ts";
import type { Backend } from "../node/types.ts";
import type { FrontendIdentity } from "../wire/key.ts";
import { clientFrom } from "./client.ts";
import { decisionsFrom } from "./decisions.ts";
import { backendDisagreements, kernelDisagreements } from "./disagreements.ts";
import {
  type KnownDoor,
  knownDoorAt,
  leftOutOf,
  policyFor,
  serviceOf,
  whoIs,
} from "./endpoints.ts";
import type { Evidence, RememberedBackend } from "./evidence.ts";
import type {
  Client,
  ExplainedBackend,
  Explanation,
  FrontDoor,
  KernelPart,
  LeftOut,
} from "./explanation.ts";
import type { KernelTable } from "./kernel-table.ts";
import { backendWay, type Dialled, type KernelWay, kernelWay } from "./kernel-way.ts";
import type { KnownCluster } from "./known-cluster.ts";
import { nearMisses } from "./near-misses.ts";
import { notesFrom } from "./notes.ts";
import { outcomeOf, summaryOf } from "./outcome.ts";
import { type Asked, placeOfAsked } from "./question.ts";

/** The kernel's part that does not depend on the question. */
export interface Kernel {
  table: KernelTable;
  /** What of it is not as Portico left it, in words. */
  changes: readonly string[];
  /** The packet mark of Envoy's TCP connections to backends. */
  envoyMark: number;
}

export function explain(
  asked: Asked,
  known: KnownCluster,
  kernel: Kernel,
  evidence: Evidence,
): Explanation {
  const key = placeOfAsked(asked);
  const client = clientFrom(clientAddress(asked, known, evidence), known, evidence);
  const way = kernelWay({ ...asked, client: client.address }, kernel.table, evidence);
  const knownDoor = knownDoorAt(key, known);
  const isFromOutside = way.handing
    ? way.handing === "local"
    : client.kind !== "host" && client.kind !== "local-pod";
  const policy = knownDoor ? policyFor(knownDoor, isFromOutside) : "Cluster";
  const listed = listedBackends(asked, way, evidence);
  const endpoints = new Map(
    knownDoor?.endpoints.map(({ endpoint, port }) => {
      return [addressAndPort(endpoint.address, port), endpoint] as const;
    }),
  );
  const remembered = rememberedBackend(asked, client, way, evidence);
  const backends = (listed ?? []).map((backend) =>
    explained(backend, { asked, client, way, knownDoor, endpoints, remembered, kernel, evidence }),
  );
  const out = knownDoor ? leftOut(knownDoor, policy, listed, known) : [];
  const outcome = outcomeOf(way, backends);
  const part = kernelPart(asked, way, evidence);
  const frontDoor = frontDoorFrom(asked, part, knownDoor, evidence);
  const seen = { key, knownDoor, element: part.element, table: kernel.table, way };
  return {
    from: client,
    to: key,
    outcome,
    summary: summaryOf({ asked, outcome, way, knownDoor, isFromOutside, backends }),
    disagreements: [
      ...kernelDisagreements({
        ...seen,
        changes: kernel.changes,
        failures: evidence.failures,
        lastSyncError: known.lastSyncError,
      }),
      ...(way.end === "envoy" ? backendDisagreements(knownDoor, out, listed) : []),
    ],
    frontDoor,
    nearMisses: frontDoor ? [] : nearMisses(asked, known),
    kernel: part,
    listener: way.listener?.name,
    cluster: way.listener?.udp?.cluster,
    decisions: knownDoor ? decisionsFrom(knownDoor, policy, client, way) : [],
    backends,
    leftOut: out,
    notes: notesFrom({ asked, client, outcome, knownDoor, known, evidence }),
  };
}

/** Of a process of the node that nobody named: what the kernel would choose. */
function clientAddress({ client, address }: Asked, { node }: KnownCluster, evidence: Evidence) {
  if (client !== undefined) return client;
  const { source } = evidence.route(address);
  const own = node.primaryAddresses.find((each) => familyOf(each) === familyOf(address));
  const loopback = familyOf(address) === "IPv4" ? "127.0.0.1" : "::1";
  return source || (own ?? loopback);
}

type Place = Pick<Backend, "address" | "port">;

/** What Envoy has for the connection; undefined when it does not get it, or has no such list. */
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

/** By session affinity; over TCP, as UDP has it by a hash. */
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

interface Surroundings {
  asked: Asked;
  client: Client;
  way: KernelWay;
  knownDoor: KnownDoor | undefined;
  /** Of the front door, by place. */
  endpoints: ReadonlyMap<string, Endpoint>;
  remembered: RememberedBackend | undefined;
  kernel: Kernel;
  evidence: Evidence;
}

function explained(backend: Place, around: Surroundings): ExplainedBackend {
  const { asked, client, way, knownDoor, endpoints, remembered, kernel, evidence } = around;
  const dialled: Dialled = { ...asked, ...backend, client: client.address };
  const isKept = way.handing !== "masquerade";
  // Envoy's UDP sockets carry no mark.
  const mark = asked.protocol === "TCP" ? kernel.envoyMark : 0;
  const kept = isKept ? client.address : undefined;
  const { source, isTranslated, end } = backendWay(dialled, kept, mark, kernel.table, evidence);
  const translation = client.address === backend.address ? "hairpin" : "bridge";
  const place = addressAndPort(backend.address, backend.port);
  const endpoint = endpoints.get(place) ?? { ...NAMELESS, address: backend.address };
  return {
    ...whoIs(endpoint, backend.port, knownDoor?.service.namespace ?? ""),
    source,
    sourceIs: isTranslated ? translation : isKept ? "kept" : "masqueraded",
    blocked: end === "reached" ? undefined : end,
    rememberedSeconds:
      remembered && addressAndPort(remembered.address, remembered.port) === place
        ? remembered.seconds
        : undefined,
  };
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

/** As the controller knows it; as Envoy has it where only that and the kernel do. */
function frontDoorFrom(
  asked: Asked,
  { element }: KernelPart,
  knownDoor: KnownDoor | undefined,
  evidence: Evidence,
): FrontDoor | null {
  const key = placeOfAsked(asked);
  if (knownDoor) {
    const { frontend } = knownDoor;
    const { kind, portName } = frontend;
    return { key, kind, service: serviceOf(frontend), portName };
  }
  const record = element && evidence.record(identityOf(asked), "cluster");
  if (!record) return null;
  return { key, kind: record.kind, service: serviceOf(record), portName: record.portName };
}

/** Endpoints that are front doors themselves are left out of UDP lists by xds/udp-target.ts. */
function leftOut(
  knownDoor: KnownDoor,
  policy: TrafficPolicy,
  listed: readonly Place[] | undefined,
  known: KnownCluster,
): LeftOut[] {
  const { frontend, endpoints, service } = knownDoor;
  const doors = endpoints.flatMap(({ endpoint, port, leftOut: left }): LeftOut[] => {
    const who = whoIs(endpoint, port, service.namespace);
    const isDoor = known.frontends.has(`${who.place}/UDP`) && frontend.protocol === "UDP";
    if (left[policy] !== undefined || !isDoor) return [];
    if (listed?.some(({ address }) => address === endpoint.address)) return [];
    return [{ ...who, reason: "front-door", why: "a front door itself: Envoy would ask itself" }];
  });
  return [...leftOutOf(knownDoor, policy, known.node), ...doors];
}
