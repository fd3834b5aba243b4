// Which Services depend on which facts of this node: when its Node object or its addresses change,
// only the views of these have to be computed again. A Service is noted whenever its view is
// computed. All Services have to be only where all depend on the fact that changed, such as in a
// cluster where each has topology hints when the node's zone changes.

import { sameData } from "../model/same-data.ts";
import type { EndpointSlice, ObjectKey, Service } from "../model/types.ts";
import { prefersZone } from "./frontend-settings.ts";
import type { ThisNode } from "./this-node.ts";
import type { FrontendSettings } from "./types.ts";

/** The others never change: another Node object would be another node. */
type Fact = Exclude<keyof ThisNode, "name" | "defaults">;
type Depends = (
  service: Service,
  slices: readonly EndpointSlice[],
  defaults: FrontendSettings,
) => boolean;

/** Must cover what frontends.ts and what it calls read of a ThisNode. */
const DEPENDS: Record<Fact, Depends> = {
  zone: (service, slices, defaults) => slices.some(hasZoneHints) || prefersZone(service, defaults),
  // Where the node itself may dial a load balancer, so may its addresses.
  primaryAddresses: ({ loadBalancerSourceRanges }) => loadBalancerSourceRanges.length > 0,
  nodePortAddresses: ({ ports }) => ports.some(({ nodePort }) => nodePort !== 0),
};
const FACTS = Object.keys(DEPENDS) as readonly Fact[];

export class NodeDependents {
  readonly #dependents: Record<Fact, Set<ObjectKey>> = {
    zone: new Set(),
    primaryAddresses: new Set(),
    nodePortAddresses: new Set(),
  };

  /** Notes what a Service depends on now; `service` is undefined when it is gone. */
  note(
    key: ObjectKey,
    service: Service | undefined,
    slices: readonly EndpointSlice[],
    defaults: FrontendSettings,
  ): void {
    for (const fact of FACTS) {
      if (service && DEPENDS[fact](service, slices, defaults)) this.#dependents[fact].add(key);
      else this.#dependents[fact].delete(key);
    }
  }

  /** Returns the Services whose views may differ between the two. */
  affectedBy(before: ThisNode, after: ThisNode): Set<ObjectKey> {
    const differing = FACTS.filter((fact) => !sameData(before[fact], after[fact]));
    return new Set(differing.flatMap((fact) => [...this.#dependents[fact]]));
  }
}

/** Hints for nodes are compared with the node's name only. */
function hasZoneHints({ endpoints }: EndpointSlice): boolean {
  return endpoints.some(({ zoneHints }) => zoneHints.length > 0);
}
