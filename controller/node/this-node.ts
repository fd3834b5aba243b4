// A Node object → what the view needs to know about its node.

import { familyOf } from "../model/ip.ts";
import type { Node } from "../model/types.ts";
import { CARRIED_FAMILIES } from "./carried.ts";
import { nodePortAddressesFrom } from "./node-port-addresses.ts";
import type { FrontendSettings } from "./types.ts";

export interface ThisNode {
  name: string;
  /** Label topology.kubernetes.io/zone; empty when there is none. */
  zone: string;
  /** Its first address of each family; what kube-proxy calls the node IPs. */
  primaryAddresses: readonly string[];
  /** The addresses on which node ports answer. */
  nodePortAddresses: readonly string[];
  /** What applies to Services whose annotations say nothing else; never changes. */
  defaults: FrontendSettings;
}

/** What does not come from the API; addresses are canonical. */
interface NodeAddressing {
  /** Replaces the Node object's first address of its family. */
  nodeIP?: string | undefined;
  /** As in NodeOptions. */
  nodePortAddresses: readonly string[];
  /** The addresses of its interfaces. */
  interfaceAddresses: readonly string[];
  defaults: FrontendSettings;
}

/** `node` is undefined while there is no Node object of that name: no zone, no node ports. */
export function thisNodeFromNode(
  name: string,
  node: Node | undefined,
  { nodePortAddresses: wanted, interfaceAddresses: interfaces, nodeIP, defaults }: NodeAddressing,
): ThisNode {
  const primary = primaryAddressesOf(node, nodeIP);
  return {
    name,
    zone: node?.labels["topology.kubernetes.io/zone"] ?? "",
    primaryAddresses: primary,
    nodePortAddresses: node ? nodePortAddressesFrom({ wanted, primary, interfaces }) : [],
    defaults,
  };
}

function primaryAddressesOf(node: Node | undefined, nodeIP: string | undefined): string[] {
  const addresses = nodeIP && node ? [nodeIP, ...node.addresses] : (node?.addresses ?? []);
  return CARRIED_FAMILIES.flatMap((family) => {
    const first = addresses.find((address) => familyOf(address) === family);
    return first === undefined ? [] : [first];
  });
}
