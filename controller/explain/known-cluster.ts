// What the controller knows, for explanations: the cluster as it was told of it, and what it makes
// of that for this node. Never what the data plane has; that is evidence.ts.

import type { LocalDetector } from "../capture/local-detector.ts";
import { objectKey } from "../model/cluster-state.ts";
import type { EndpointSlice, Node, ObjectKey, Problem, Service } from "../model/types.ts";
import type { ThisNode } from "../node/this-node.ts";
import type { Frontend, FrontendKey } from "../node/types.ts";

export interface KnownCluster {
  /** Whether all kinds were read once; nothing is decided before. */
  isSynced: boolean;
  state: {
    services: ReadonlyMap<ObjectKey, Service>;
    nodes: ReadonlyMap<string, Node>;
    endpointSlices: ReadonlyMap<ObjectKey, EndpointSlice>;
    slicesOf(service: ObjectKey): EndpointSlice[];
  };
  frontends: ReadonlyMap<FrontendKey, Frontend>;
  node: ThisNode;
  serviceProxyName: string | undefined;
  localDetector: LocalDetector;
  /** All present ones. */
  problems: readonly Problem[];
  /** Why the last sync failed; empty when it did not. */
  lastSyncError: string;
}

/** A Pod behind an endpoint, as far as slices name it. */
export interface KnownPod {
  address: string;
  /** "namespace/name"; undefined when the slice does not say. */
  pod: string | undefined;
  /** Empty when the slice does not say. */
  nodeName: string;
}

/** Every Pod that a slice names, once for each of its addresses. */
export function* podsOf({ state }: KnownCluster): Generator<KnownPod> {
  for (const { namespace, endpoints } of state.endpointSlices.values()) {
    for (const { address, podName: name, nodeName } of endpoints) {
      const pod = name === undefined ? undefined : objectKey({ namespace, name });
      yield { address, pod, nodeName };
    }
  }
}

/** The Pod that has an address; undefined when no slice has it. */
export function podAt(known: KnownCluster, address: string): KnownPod | undefined {
  for (const pod of podsOf(known)) if (pod.address === address) return pod;
  return undefined;
}
