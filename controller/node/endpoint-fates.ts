// A ServicePort and its EndpointSlices → how this node uses each endpoint, and why it is not in a
// list. The reasons come from the code that decides (port-endpoints.ts, categorize-endpoints.ts),
// which reports them on the way; nothing is decided here. For explanations only.

import type {
  Endpoint,
  EndpointSlice,
  IPFamily,
  ServicePort,
  TrafficPolicy,
} from "../model/types.ts";
import { categorizeEndpoints, type LeftOutReason } from "./categorize-endpoints.ts";
import { type PortEndpoint, portEndpoints, type SliceLeftOutReason } from "./port-endpoints.ts";
import type { ThisNode } from "./this-node.ts";

export interface EndpointFate {
  endpoint: Endpoint;
  port: number;
  local: boolean;
  /** Why it is not in the list of a traffic policy; undefined: it is. */
  leftOut: Partial<Record<TrafficPolicy, LeftOutReason>>;
}

interface EndpointFates {
  /** In the order of the lists. */
  endpoints: EndpointFate[];
  /** Slices without any endpoint that counts. */
  slices: { slice: EndpointSlice; reason: SliceLeftOutReason }[];
}

/** Covers both policies, whether in use or not. */
export function endpointFates(
  slices: readonly EndpointSlice[],
  family: IPFamily,
  port: ServicePort,
  node: ThisNode,
): EndpointFates {
  const left: EndpointFates["slices"] = [];
  const all = portEndpoints(slices, family, port, node.name, (reason, slice) => {
    left.push({ slice, reason });
  });
  const fates = new Map<PortEndpoint, EndpointFate>();
  for (const each of all) fates.set(each, { ...each, leftOut: {} });
  const policies = { usesClusterEndpoints: true, usesLocalEndpoints: true };
  categorizeEndpoints(all, policies, node, (list, reason, before, after) => {
    const kept = new Set(after);
    for (const each of before) {
      const fate = fates.get(each);
      if (fate && !kept.has(each)) fate.leftOut[list] = reason;
    }
  });
  return { endpoints: [...fates.values()], slices: left };
}
