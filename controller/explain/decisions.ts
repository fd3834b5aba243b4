// What was decided on the way of a connection, besides which endpoints are usable: traffic
// policies, hints, the fallback to terminating endpoints, session affinity, source ranges.

import type { TrafficPolicy } from "../model/types.ts";
import type { KnownDoor } from "./endpoints.ts";
import type { Client, Decision } from "./explanation.ts";
import type { KernelWay } from "./kernel-way.ts";

export function decisionsFrom(
  knownDoor: KnownDoor,
  policy: TrafficPolicy,
  client: Client,
  way: KernelWay,
): Decision[] {
  return [
    trafficPolicy(knownDoor, policy, client),
    ...sourceRanges(knownDoor, way),
    ...hints(knownDoor, policy),
    ...terminating(knownDoor, policy),
    ...affinity(knownDoor),
  ];
}

function trafficPolicy({ door }: KnownDoor, policy: TrafficPolicy, client: Client): Decision {
  const { side, trafficPolicy: value } = door;
  const name = side === "internal" ? "internalTrafficPolicy" : "externalTrafficPolicy";
  if (value === "Cluster") {
    return { name, value, effect: "endpoints on every node count" };
  }
  if (policy === "Local") return { name, value, effect: "endpoints on this node count, no others" };
  const who = client.kind === "host" ? "a process of this node" : "a Pod of this node";
  const effect = `it is for clients from outside; for ${who}, endpoints on every node count`;
  return { name, value, effect };
}

function sourceRanges({ frontend }: KnownDoor, { steps }: KernelWay): Decision[] {
  const { allowedSources } = frontend;
  if (allowedSources.length === 0) return [];
  const used = steps.flatMap(({ elements }) => elements);
  const isKeptOut = used.some(({ set }) => set.startsWith("restricted"));
  const isAllowed = !isKeptOut || used.some(({ set }) => set.startsWith("allowed_sources"));
  const effect = isAllowed ? "this client is in them" : "this client is in none of them: dropped";
  return [{ name: "loadBalancerSourceRanges", value: allowedSources.join(", "), effect }];
}

function hints({ endpoints }: KnownDoor, policy: TrafficPolicy): Decision[] {
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
  const effect = "they leave nobody out: an endpoint has none, or none is for this zone";
  return [{ name, value: "not obeyed, or all alike", effect }];
}

function terminating({ endpoints }: KnownDoor, policy: TrafficPolicy): Decision[] {
  const used = endpoints.filter(({ leftOut }) => leftOut[policy] === undefined);
  if (used.length === 0 || used.some(({ endpoint }) => endpoint.ready)) return [];
  const effect = "none is ready, so those that serve until they are gone are used";
  return [{ name: "terminating endpoints", value: "used", effect }];
}

function affinity({ frontend, service }: KnownDoor): Decision[] {
  if (frontend.affinityTimeoutSeconds === 0) return [];
  const value = "ClientIP";
  const seconds = service.affinityTimeoutSeconds;
  const effect =
    frontend.protocol === "UDP"
      ? "the client's address decides which backend (a hash; the timeout plays no part in UDP)"
      : `a client goes on with its last backend until it was away for ${seconds} s`;
  return [{ name: "sessionAffinity", value, effect }];
}
