// What decides on the way of a connection, apart from which endpoints are usable: traffic policies,
// hints, the fallback to terminating endpoints, session affinity, source ranges, and the settings
// of its Service.

import type { Balancing, TrafficPolicy } from "../model/types.ts";
import { isOnlyForTCP } from "../node/frontend-settings.ts";
import { functionText } from "../node/settings-text.ts";
import type { Frontend } from "../node/types.ts";
import type { KnownFrontend } from "./endpoints.ts";
import type { Client, Decision } from "./explanation.ts";
import type { KernelWay } from "./kernel-way.ts";

/**
 * Returns what decided on the connection: always its traffic policy, the rest only where it
 * matters. `policy` is the one in force for this client.
 */
export function decisionsFrom(
  knownFrontend: KnownFrontend,
  policy: TrafficPolicy,
  client: Client,
  way: KernelWay,
): Decision[] {
  return [
    trafficPolicy(knownFrontend, policy, client),
    ...sourceRanges(knownFrontend, way),
    ...hints(knownFrontend, policy),
    ...terminating(knownFrontend, policy),
    ...affinity(knownFrontend),
    ...byFunction(knownFrontend),
    ...balancing(knownFrontend),
    ...limits(knownFrontend),
  ];
}

function trafficPolicy({ place }: KnownFrontend, policy: TrafficPolicy, client: Client): Decision {
  const { side, trafficPolicy: value } = place;
  const name = side === "internal" ? "internalTrafficPolicy" : "externalTrafficPolicy";
  if (value === "Cluster") {
    return { name, value, effect: "endpoints on every node count" };
  }
  if (policy === "Local") return { name, value, effect: "endpoints on this node count, no others" };
  const who = client.kind === "host" ? "a process of this node" : "a Pod of this node";
  const effect = `applies to clients from outside; for ${who}, endpoints on every node count`;
  return { name, value, effect };
}

function sourceRanges({ frontend }: KnownFrontend, { steps }: KernelWay): Decision[] {
  const { allowedSources } = frontend;
  if (allowedSources.length === 0) return [];
  const used = steps.flatMap(({ elements }) => elements);
  const isKeptOut = used.some(({ set }) => set.startsWith("restricted"));
  const isAllowed = !isKeptOut || used.some(({ set }) => set.startsWith("allowed_sources"));
  const effect = isAllowed ? "this client is in them" : "this client is in none of them: dropped";
  return [{ name: "loadBalancerSourceRanges", value: allowedSources.join(", "), effect }];
}

function hints({ endpoints }: KnownFrontend, policy: TrafficPolicy): Decision[] {
  const reasons = new Set(endpoints.map(({ leftOut }) => leftOut[policy]));
  const name = "topology hints";
  if (reasons.has("node-hints")) {
    return [{ name, value: "for nodes", effect: "endpoints hinted for this node count" }];
  }
  if (reasons.has("zone-hints")) {
    return [{ name, value: "for zones", effect: "endpoints hinted for this node's zone count" }];
  }
  const some = endpoints.filter(({ endpoint }) => endpoint.zoneHints.length > 0).length;
  if (some === 0 || policy === "Local") return [];
  const effect = "no effect: an endpoint has none, or none is for this zone";
  return [{ name, value: "ignored, or the same for all", effect }];
}

function terminating({ endpoints }: KnownFrontend, policy: TrafficPolicy): Decision[] {
  const used = endpoints.filter(({ leftOut }) => leftOut[policy] === undefined);
  if (used.length === 0 || used.some(({ endpoint }) => endpoint.ready)) return [];
  const effect = "no endpoint is ready, so terminating ones that still serve are used";
  return [{ name: "terminating endpoints", value: "used", effect }];
}

function affinity({ frontend, service }: KnownFrontend): Decision[] {
  if (frontend.affinityTimeoutSeconds === 0) return [];
  const value = "ClientIP";
  const seconds = service.affinityTimeoutSeconds;
  const effect =
    frontend.protocol === "UDP"
      ? "the client's address selects the backend (a hash; the timeout does not apply to UDP)"
      : `a client keeps its last backend until it has been away for ${seconds} s`;
  return [{ name: "sessionAffinity", value, effect }];
}

function byFunction({ frontend, functionVersion }: KnownFrontend): Decision[] {
  const { pick } = frontend.settings;
  if (pick === undefined || frontend.protocol !== "TCP") return [];
  const name = "function";
  const value = functionText(pick);
  if (functionVersion === undefined) {
    return [{ name, value, effect: "is not in service, so balancing applies: see the problems" }];
  }
  const effect = "picks the backend; balancing does where it fails or leaves the choice open";
  return [{ name, value: `${value}, version ${functionVersion}`, effect }];
}

const BALANCING_EFFECTS: Record<Exclude<Balancing, "random">, string> = {
  "least-connections": "of two backends drawn at random, the one with fewer connections",
  "round-robin": "one backend after the other",
  "client-hash": "the client's address selects the backend",
  weighted: "at random, in proportion to the weights of the backends",
  failover: "at random among the preferred backends, while one of them accepts connections",
};

function balancing({ frontend }: KnownFrontend): Decision[] {
  const { balancing: value, ejection } = frontend.settings;
  return [
    ...(value === "random"
      ? []
      : [{ name: "balancing", value, effect: effectOf(value, frontend) }]),
    ...(ejection ? [] : [{ name: "ejection", value: "off", effect: NO_EJECTION }]),
  ];
}

function effectOf(balancing: keyof typeof BALANCING_EFFECTS, { protocol }: Frontend): string {
  const isForNothing = protocol === "UDP" && isOnlyForTCP(balancing);
  return isForNothing ? "TCP only: any backend" : BALANCING_EFFECTS[balancing];
}

const NO_EJECTION = "a backend that fails gets further connections";

function limits({ frontend }: KnownFrontend): Decision[] {
  const { maxConnections, maxNewConnectionsPerSecond } = frontend.settings;
  const refused = "further ones are refused, on this node";
  const limitsInForce: [string, number, string][] = [
    ["max-connections", maxConnections, `at once; ${refused}`],
    ["max-new-connections-per-second", maxNewConnectionsPerSecond, `new ones; ${refused}`],
  ];
  return limitsInForce.flatMap(([name, most, effect]) => {
    return most === 0 ? [] : [{ name, value: String(most), effect }];
  });
}
