// One of the two worlds: the lab, and which proxy serves it, which is its subclass's:
// kube-proxy-world.ts, portico-world.ts.

import type { ClusterNode } from "../namespaces/cluster.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import type { ConfigurationChanges } from "./configuration.ts";
import { InhabitedLab } from "./inhabited-lab.ts";
import { NODES } from "./lab.ts";

/** Where the API server is, seen from the nodes, and how the proxies are configured. */
export interface Surroundings {
  kubeconfig: string;
  leadInto(namespace: Namespace): Promise<void>;
  configuration: ConfigurationChanges;
  /** What else Portico is run with. */
  porticoFlags: readonly string[];
}

export abstract class World extends InhabitedLab {
  abstract readonly name: "kube-proxy" | "Portico";

  /** Starts the proxies; resolves when they run, not when they serve. */
  abstract startProxies(surroundings: Surroundings): Promise<void>;

  /** Whether everything up to mark number `count` (marker.ts) is served, by every proxy. */
  abstract isSettled(count: number): Promise<boolean>;

  /** Throws with the end of its log when a proxy does not run any more. */
  abstract assertRunning(): void;

  /** Those with a proxy. */
  servedNodes(): ClusterNode[] {
    return NODES.filter(({ hasProxy }) => hasProxy).map(({ name }) => this.node(name));
  }
}
