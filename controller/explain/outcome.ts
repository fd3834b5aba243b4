// How a connection ends, in a sentence, from what was found on its way.

import type { Asked } from "./asked.ts";
import type { KnownFrontend } from "./endpoints.ts";
import { serviceOf } from "./endpoints.ts";
import type { ExplainedBackend, Outcome } from "./explanation.ts";
import type { KernelWay } from "./kernel-way.ts";

/**
 * Returns how the connection ends for the client. Through Envoy it is served if the node's rules
 * leave at least one backend.
 */
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

interface Found {
  asked: Asked;
  outcome: Outcome;
  way: KernelWay;
  knownFrontend: KnownFrontend | undefined;
  /** Whether clients from outside get a separate list, and this is one of them. */
  isFromOutside: boolean;
  backends: readonly ExplainedBackend[];
}

/** Returns the outcome and its reason in one line, without a full stop. */
export function summaryOf(found: Found): string {
  const { outcome, asked, backends } = found;
  switch (outcome) {
    case "served":
      return servedSummary(found);
    case "refused":
      return `refused at once: ${whyRefused(found)}`;
    case "dropped":
      return `dropped, no answer to the client: ${whyDropped(found)}`;
    case "untouched":
      if (found.way.steps.at(-1)?.rule === "ct state untracked accept") {
        return (
          "another program excludes this address from connection tracking, so Portico does not " +
          "capture it (NodeLocal DNSCache does this for the cluster's DNS)"
        );
      }
      return found.knownFrontend
        ? "the packet passes unchanged: the kernel does not hand this frontend to Envoy"
        : "not a frontend of this node: the packet passes unchanged";
    case "unreachable":
      return `the node has no route to ${asked.address}, so its processes cannot reach it`;
    case "ended":
      return backends.length === 0
        ? `${endedHow(asked)}: Envoy has no backend for it`
        : `${endedHow(asked)}: this node's rules stop Envoy's connections to all its backends`;
  }
}

function endedHow({ protocol }: Asked): string {
  return protocol === "TCP" ? "connected, then the stream ends at once" : "no answer";
}

function servedSummary({ backends, knownFrontend }: Found): string {
  const all = backends.filter(({ blocked }) => !blocked);
  const remembered = all.filter(({ rememberedSeconds }) => rememberedSeconds !== undefined);
  const reached = remembered.length > 0 ? remembered : all;
  const [only] = reached;
  const whose = knownFrontend ? ` of ${serviceOf(knownFrontend.frontend)}` : "";
  const who = reached.length === 1 ? only?.place : `one of ${reached.length} backends`;
  const again = remembered.length > 0 ? " (its last one, by session affinity)" : "";
  const sources = [...new Set(reached.map(({ source }) => source))].join(" or ");
  return `served by ${who}${whose}${again}, which sees ${sources}`;
}

function whyRefused({ asked, way, knownFrontend }: Found): string {
  const last = way.steps.at(-1);
  const sets = way.steps.flatMap(({ elements }) => elements.map(({ set }) => set));
  if (last?.chain !== "verdict_refuse") return byRule(way);
  if (sets.some((set) => set.startsWith("cluster_ips"))) {
    const port = `${asked.port}/${asked.protocol}`;
    return knownFrontend
      ? `the kernel has ${asked.address} as a cluster IP, but not port ${port}`
      : `${asked.address} is a cluster IP, and ${port} is not one of its ports`;
  }
  if (knownFrontend?.frontend.verdict !== "refuse") return byRule(way);
  return `${serviceOf(knownFrontend.frontend)} has no usable endpoint`;
}

function whyDropped(found: Found): string {
  const { asked, way } = found;
  const { chain = "", rule = "" } = way.steps.at(-1) ?? {};
  if (/^(to|redirect|udp)_/.test(chain)) {
    return "the kernel hands it to Envoy, which does not listen (starting, or down)";
  }
  if (rule.includes("@allowed_sources")) {
    return `loadBalancerSourceRanges does not contain ${asked.client ?? "this node's address"}`;
  }
  if (rule.includes("@service_cidrs")) {
    return `${asked.address} is in a Service CIDR, but no Service has it`;
  }
  return (/^verdict_(drop|short-circuit)$/.test(chain) && byPolicy(found)) || byRule(way);
}

/** Returns undefined when the controller knows no reason. */
function byPolicy({ knownFrontend, isFromOutside }: Found): string | undefined {
  if (!knownFrontend || !["drop", "short-circuit"].includes(knownFrontend.frontend.verdict)) {
    return undefined;
  }
  const { place, frontend } = knownFrontend;
  const isInternal = place.side === "internal";
  const field = isInternal ? "internalTrafficPolicy" : "externalTrafficPolicy";
  const whom = isFromOutside && !isInternal ? " (which applies to clients from outside)" : "";
  return `${field} is Local, and no endpoint of ${serviceOf(frontend)} is on this node${whom}`;
}

function byRule({ steps }: KernelWay): string {
  const last = steps.at(-1);
  return `the kernel's rule says so (${last ? `${last.chain}: ${last.rule}` : "a chain's policy"})`;
}
