// What enforces NetworkPolicies on the nodes of both worlds, each in its own way: kube-router.ts,
// kube-network-policies.ts, calico-rules.ts,
// antrea-rules.ts.

import type { ClusterNode } from "../namespaces/cluster.ts";
import type { Family } from "../parity/lab.ts";
import type { PolicySet } from "./policies.ts";

export interface Enforcer {
  readonly name: string;
  /** In which it enforces anything. */
  readonly families: readonly Family[];
  /** Runs on the node from now on. `kubeconfig` is of a user who may do everything. */
  start(node: ClusterNode, kubeconfig: string): Promise<void>;
  /** Ends it, and takes back what it has put into the node's kernel. */
  remove(node: ClusterNode): Promise<void>;
  /** The API server has this set and `mark`, a policy's name: resolves when the node obeys both. */
  enforced(node: ClusterNode, set: PolicySet, mark: string): Promise<void>;
  close(): Promise<void>;
}
