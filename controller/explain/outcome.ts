// How a connection ends, in a sentence: from what was found on its way.

import type { KnownDoor } from "./endpoints.ts";
import { serviceOf } from "./endpoints.ts";
import type { ExplainedBackend, Outcome } from "./explanation.ts";
import type { KernelWay } from "./kernel-way.ts";
import type { Asked } from "./question.ts";

export function outcomeOf(way: KernelWay, backends: readonly ExplainedBackend[]): Outcome {
  switch (way.end) {
    case "envoy":
      return backends.some(({ blocked }) => !blocked) ? "served" : "ended";
    case "refuse":
      return "refused";
    case "drop":
      return "dropped";
    default:
      return way.end;
  }
}

export interface Found {
  asked: Asked;
  outcome: Outcome;
  way: KernelWay;
  knownDoor: KnownDoor | undefined;
  /** Whether clients from outside get a list of their own, and this is one. */
  isFromOutside: boolean;
  backends: readonly ExplainedBackend[];
}

export function summaryOf(found: Found): string {
  const { outcome, asked, backends } = found;
  switch (outcome) {
    case "served":
      return servedSummary(found);
    case "refused":
      return `refused at once: ${whyRefused(found)}`;
    case "dropped":
      return `dropped, the client hears nothing: ${whyDropped(found)}`;
    case "untouched":
      if (found.way.steps.at(-1)?.rule === "ct state untracked accept") {
        return (
          "another program has the kernel not track what goes there, so Portico leaves it alone " +
          "(NodeLocal DNSCache answers for the cluster's DNS so)"
        );
      }
      return found.knownDoor
        ? "the packet goes on unchanged: the kernel does not hand this front door over"
        : "not a front door of this node: the packet goes on unchanged";
    case "unreachable":
      return `the node has no route to ${asked.address}, so its processes cannot send to it`;
    case "ended":
      return backends.length === 0
        ? `${endedHow(asked)}: Envoy has no backend for it`
        : `${endedHow(asked)}: this node's rules stop Envoy's connections to all its backends`;
  }
}

function endedHow({ protocol }: Asked): string {
  return protocol === "TCP" ? "connected, and the stream ends at once" : "no answer";
}

function servedSummary({ backends, knownDoor }: Found): string {
  const all = backends.filter(({ blocked }) => !blocked);
  const remembered = all.filter(({ rememberedSeconds }) => rememberedSeconds !== undefined);
  const reached = remembered.length > 0 ? remembered : all;
  const [only] = reached;
  const whose = knownDoor ? ` of ${serviceOf(knownDoor.frontend)}` : "";
  const who = reached.length === 1 ? only?.place : `one of ${reached.length} backends`;
  const again = remembered.length > 0 ? " (its last one, by session affinity)" : "";
  const sources = [...new Set(reached.map(({ source }) => source))].join(" or ");
  return `served by ${who}${whose}${again}, which sees ${sources}`;
}

function whyRefused({ asked, way, knownDoor }: Found): string {
  const last = way.steps.at(-1);
  const sets = way.steps.flatMap(({ elements }) => elements.map(({ set }) => set));
  if (last?.chain !== "verdict_refuse") return byRule(way);
  if (sets.some((set) => set.startsWith("cluster_ips"))) {
    const port = `${asked.port}/${asked.protocol}`;
    return knownDoor
      ? `the kernel has ${asked.address} as a cluster IP, but not ${port} of it`
      : `${asked.address} is a cluster IP, and ${port} is no port of it`;
  }
  if (knownDoor?.frontend.verdict !== "refuse") return byRule(way);
  return `${serviceOf(knownDoor.frontend)} has no usable endpoint`;
}

function whyDropped(found: Found): string {
  const { asked, way } = found;
  const { chain = "", rule = "" } = way.steps.at(-1) ?? {};
  if (/^(to|redirect|udp)_/.test(chain)) {
    return "the kernel hands it to Envoy, and Envoy does not listen (it starts, or is down)";
  }
  if (rule.includes("@allowed_sources")) {
    return `loadBalancerSourceRanges does not contain ${asked.client ?? "this node's address"}`;
  }
  if (rule.includes("@service_cidrs")) {
    return `${asked.address} is in a Service CIDR, and is no Service's`;
  }
  return (/^verdict_(drop|short-circuit)$/.test(chain) && byPolicy(found)) || byRule(way);
}

/** Undefined when the controller knows of no reason. */
function byPolicy({ knownDoor, isFromOutside }: Found): string | undefined {
  if (!knownDoor || !["drop", "short-circuit"].includes(knownDoor.frontend.verdict)) {
    return undefined;
  }
  const { door, frontend } = knownDoor;
  const isInternal = door.side === "internal";
  const field = isInternal ? "internalTrafficPolicy" : "externalTrafficPolicy";
  const whom = isFromOutside && !isInternal ? " (which holds for clients from outside)" : "";
  return `${field} is Local, and no endpoint of ${serviceOf(frontend)} is on this node${whom}`;
}

function byRule({ steps }: KernelWay): string {
  const last = steps.at(-1);
  return `the kernel's rule says so (${last ? `${last.chain}: ${last.rule}` : "a chain's policy"})`;
}
