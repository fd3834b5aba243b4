// What a connection case is: a cluster, and connections with what must become of them.

import { type ClientName, clientAddress, nodeAddress, THIS_NODE } from "./topology.ts";

/** As it stands in YAML; runners give it to what they test as the API server would. */
export interface KubernetesObject {
  apiVersion: string;
  kind: "Service" | "EndpointSlice" | "Node" | "ServiceCIDR";
  metadata: { name: string; namespace?: string; [field: string]: unknown };
  [field: string]: unknown;
}

export interface Step {
  /** All there is in the cluster beside BASE_OBJECTS; what earlier steps had is gone. */
  objects: readonly KubernetesObject[];
  connections: readonly Connection[];
}

export interface ConnectionCase extends Step {
  /** Unique; a sentence that says what is so. */
  name: string;
  /** What happens next, in the same cluster. */
  later?: readonly Step[];
}

export interface Connection {
  from: ClientName;
  /** "address:port" */
  to: string;
  expect: Served | Unserved;
}

export interface Served {
  /** "address:port" of everyone who may answer; each must be seen when one tries often enough. */
  backends: readonly string[];
  /**
   * Whose address they see: the client's own, or this node's. A Pod that is answered by itself
   * sees the node's in any case.
   */
  source: "client" | "node";
}

/**
 * refused: ECONNREFUSED at connect. dropped: no answer. untouched: Portico leaves it alone, and it
 * goes where it would go without.
 */
export type Unserved = "refused" | "dropped" | "untouched";

/** What became of connections, in addresses: backend → the source address that it saw. */
export type Outcome = Unserved | ReadonlyMap<string, string>;

/** What `connection` expects, in addresses. */
export function expectedOutcome({ from, expect }: Connection): Outcome {
  if (typeof expect === "string") return expect;
  const client = clientAddress(from);
  const node = nodeAddress(THIS_NODE);
  const source = expect.source === "client" ? client : node;
  const isOwn = (backend: string) => backend.slice(0, backend.lastIndexOf(":")) === client;
  const backends = [...expect.backends].sort();
  return new Map(backends.map((backend) => [backend, isOwn(backend) ? node : source]));
}
