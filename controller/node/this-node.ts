// A Node object → what the view needs to know about the node that it is computed for.

import { familyOf } from "../model/ip.ts";
import type { Node } from "../model/types.ts";
import { CARRIED_FAMILIES } from "./carried.ts";

export interface ThisNode {
  name: string;
  /** Label topology.kubernetes.io/zone; empty when there is none. */
  zone: string;
  /** The addresses on which node ports answer. */
  nodePortAddresses: readonly string[];
}

/**
 * `node` is undefined while there is no Node object of that name: no zone, no node ports. Node
 * ports answer on the node's first address of each family, which is what kube-proxy's
 * nodePortAddresses "primary" (the default of its nftables mode) means.
 */
export function thisNodeFromNode(name: string, node: Node | undefined): ThisNode {
  const nodePortAddresses: string[] = [];
  for (const family of CARRIED_FAMILIES) {
    const primary = node?.addresses.find((address) => familyOf(address) === family);
    if (primary !== undefined) nodePortAddresses.push(primary);
  }
  return { name, zone: node?.labels["topology.kubernetes.io/zone"] ?? "", nodePortAddresses };
}
