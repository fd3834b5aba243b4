// What a connection case is: a cluster, and connections with what must become of them.

import type { Feature } from "./features.ts";
import {
  type ClientName,
  clientAddress,
  familyOfText,
  nodeAddress,
  partsOf,
  THIS_NODE,
} from "./topology.ts";

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
  /** What it needs beyond what every runner has. */
  needs?: readonly Feature[];
  /** It says something about both families, or about how one is written; see in-ipv6.ts. */
  oneFamily?: true;
}

/** What can be dialled. */
export type CaseProtocol = "TCP" | "UDP";

export interface Connection {
  from: ClientName;
  /** "address:port", "[address]:port" */
  to: string;
  /** TCP when absent. */
  protocol?: CaseProtocol;
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
  /** Each client finds one of the backends, and always the same. */
  affinity?: true;
}

/**
 * refused: ECONNREFUSED at connect. dropped: no answer. untouched: Portico leaves it alone, and it
 * goes where it would go without.
 */
type Unserved = "refused" | "dropped" | "untouched";

/** What became of connections, in addresses: backend → the source address that it saw. */
export type Outcome = Unserved | ReadonlyMap<string, string>;

/** What `connection` expects, in addresses; with affinity, all that one may be of. */
export function expectedOutcome({ from, to, expect }: Connection): Outcome {
  if (typeof expect === "string") return expect;
  const family = familyOfText(to);
  const client = clientAddress(from, family);
  const node = nodeAddress(THIS_NODE, family);
  const source = expect.source === "client" ? client : node;
  const isOwn = (backend: string) => partsOf(backend).address === client;
  const backends = [...expect.backends].sort();
  return new Map(backends.map((backend) => [backend, isOwn(backend) ? node : source]));
}
