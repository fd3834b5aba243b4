// Rules that judge as an enforcer of NetworkPolicies does, written here: one nftables table, put in
// place whole for each set of policies.

import type { ClusterNode } from "../namespaces/cluster.ts";
import type { KubernetesObject } from "../parity/state.ts";
import type { Enforcer } from "./enforcer.ts";
import { everyPod } from "./people.ts";
import { type PodChains, podChains, replaceTable } from "./pod-chains.ts";
import type { PolicySet } from "./policies.ts";

/** How one enforcer judges. */
export interface Rules {
  name: string;
  /** Family and name of the table. */
  table: string;
  /** The table's chains, those of `pods` aside. */
  hooks: (pods: readonly PodChains[]) => string[];
}

export class RulesByHand implements Enforcer {
  readonly families = ["IPv4", "IPv6"] as const;
  readonly #rules: Rules;
  readonly #pods: readonly KubernetesObject[];

  /** `pods` are all of the cluster; absent: those of the comparison. */
  constructor(rules: Rules, pods: readonly KubernetesObject[] = everyPod()) {
    this.#rules = rules;
    this.#pods = pods;
  }

  get name(): string {
    return this.#rules.name;
  }

  start(node: ClusterNode): Promise<void> {
    return this.enforced(node, { policies: [] });
  }

  async remove(node: ClusterNode): Promise<void> {
    await node.exec("nft", ["delete", "table", ...this.#rules.table.split(" ")]);
  }

  async enforced(node: ClusterNode, { policies }: Pick<PolicySet, "policies">): Promise<void> {
    const { table, hooks } = this.#rules;
    const pods = podChains(node, policies, this.#pods);
    const chains = [...pods.flatMap(({ lines }) => lines), ...hooks(pods)];
    await node.exec("nft", ["-f", "-"], { input: replaceTable(table, chains) });
  }

  async close(): Promise<void> {}
}
