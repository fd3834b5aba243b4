// What the controller knows, for explanations: the cluster as it has read it, and what it makes of
// that for this node. Never what the data plane has; that is in evidence.ts.

import type { LocalDetector } from "../capture/local-detector.ts";
import { objectKey } from "../model/cluster-state.ts";
import type {
  EndpointSlice,
  FunctionChoice,
  Node,
  ObjectKey,
  Problem,
  Service,
} from "../model/types.ts";
import type { ThisNode } from "../node/this-node.ts";
import type { Frontend, FrontendKey } from "../node/types.ts";
import type { TcpOptions } from "../xds/tcp-options.ts";

export type Connecting = Pick<TcpOptions, "connectAttempts" | "connectTimeoutMs">;

export interface KnownCluster {
  /** Whether all kinds were read once; no decision is made before. */
  isSynced: boolean;
  state: {
    services: ReadonlyMap<ObjectKey, Service>;
    nodes: ReadonlyMap<string, Node>;
    endpointSlices: ReadonlyMap<ObjectKey, EndpointSlice>;
    slicesOf(service: ObjectKey): readonly EndpointSlice[];
  };
  frontends: ReadonlyMap<FrontendKey, Frontend>;
  node: ThisNode;
  serviceProxyName: string | undefined;
  localDetector: LocalDetector;
  /** How Envoy connects to backends. */
  connecting: Connecting;
  /** Returns the version of a function that is in service; undefined: balancing applies. */
  functionVersion?: (choice: FunctionChoice) => string | undefined;
  /** All present ones. */
  problems: readonly Problem[];
  /** Why the last sync failed; empty when it did not. */
  lastSyncError: string;
}

/** A Pod behind an endpoint, if slices name it. */
interface KnownPod {
  address: string;
  /** "namespace/name"; undefined when the slice does not say. */
  pod: string | undefined;
  /** Empty when the slice does not say. */
  nodeName: string;
}

/** Yields every Pod that a slice names, once for each of its addresses. */
export function* podsOf({ state }: KnownCluster): Generator<KnownPod> {
  for (const { namespace, endpoints } of state.endpointSlices.values()) {
    for (const { address, podName: name, nodeName } of endpoints) {
      const pod = name === undefined ? undefined : objectKey({ namespace, name });
      yield { address, pod, nodeName };
    }
  }
}

/** Returns the Pod that has an address; undefined when no slice has it. */
export function podAt(known: KnownCluster, address: string): KnownPod | undefined {
  for (const pod of podsOf(known)) if (pod.address === address) return pod;
  return undefined;
}
