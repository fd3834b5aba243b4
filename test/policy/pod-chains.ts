// The Pods of a node and NetworkPolicies → chains of nftables that judge by them, a pair for each
// Pod. What rules written by hand have in common: calico-rules.ts, antrea-rules.ts.

import type { ClusterNode } from "../namespaces/cluster.ts";
import type { KubernetesObject } from "../parity/state.ts";
import { type Allowed, isolationOf } from "./resolved.ts";

/** A Pod of the node and its two chains, which return for what is allowed and drop the rest. */
export interface PodChains {
  /** Its interface on the node. */
  link: string;
  addresses: readonly string[];
  /** The name of the chain that judges its egress by destination. */
  from: string;
  /** The name of the chain that judges its ingress by source. */
  to: string;
  lines: readonly string[];
}

/** `pods` are all of the cluster. */
export function podChains(
  node: ClusterNode,
  policies: readonly KubernetesObject[],
  pods: readonly KubernetesObject[],
): readonly PodChains[] {
  return [...node.pods].map(([name, { link, addresses }]) => {
    const object = pods.find(({ metadata }) => metadata.name === name);
    const isolation = object && isolationOf(object, policies, pods);
    const [from, to] = ["from", "to"].map((way) => `${way}_${name.replace("-", "_")}`) as [
      string,
      string,
    ];
    const lines = [
      ...policyChain(from, isolation?.egress, "daddr"),
      ...policyChain(to, isolation?.ingress, "saddr"),
    ];
    return { link, addresses, from, to, lines };
  });
}

/** The script that puts this table in the place of the one that is there, if there is one. */
export function replaceTable(table: string, lines: readonly string[]): string {
  return [`table ${table} {}`, `delete table ${table}`, `table ${table} {`, ...lines, "}", ""].join(
    "\n",
  );
}

/** A base chain of type filter; `priority` as nft has it. */
export function hook(name: string, priority: string, rules: readonly string[]): string[] {
  const base = `type filter hook ${name} priority ${priority}; policy accept;`;
  return [`  chain ${name} {`, base, ...rules, "  }"];
}

/** Undefined: everything is allowed. */
export function policyChain(
  name: string,
  allowed: readonly Allowed[] | undefined,
  peer: "saddr" | "daddr",
): string[] {
  const rules = allowed?.flatMap((each) => rulesOf(each, peer)) ?? [];
  return [`  chain ${name} {`, ...rules, ...(allowed ? ["drop"] : []), "  }"];
}

function rulesOf({ cidrs, except, ports }: Allowed, peer: "saddr" | "daddr"): string[] {
  const withPorts = (who: string) => {
    if (ports === undefined) return [`${who}return`];
    return ports.map(({ protocol, first, last }) => {
      const range = first === last ? `${first}` : `${first}-${last}`;
      return `${who}${protocol} dport ${range} return`;
    });
  };
  if (cidrs === undefined) return withPorts("");
  const families = {
    ip: (cidr: string) => !cidr.includes(":"),
    ip6: (cidr: string) => cidr.includes(":"),
  };
  return Object.entries(families).flatMap(([header, isOf]) => {
    const [those, but] = [cidrs.filter(isOf), except.filter(isOf)];
    if (those.length === 0) return [];
    const not = but.length === 0 ? "" : `${header} ${peer} != { ${but.join(", ")} } `;
    return withPorts(`${header} ${peer} { ${those.join(", ")} } ${not}`);
  });
}
