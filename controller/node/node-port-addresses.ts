// nodePortAddresses, as in a KubeProxyConfiguration, and the node's addresses → the addresses on
// which node ports answer. As kube-proxy 1.37 does in nftables mode: cmd/kube-proxy/app/server.go
// expandNodePortAddressKeywords, pkg/proxy/util/nodeport_addresses.go.

import { cidrContains, compareAddresses, familyOf } from "../model/ip.ts";
import type { IPFamily } from "../model/types.ts";
import { CARRIED_FAMILIES } from "./carried.ts";
import { cidrOfAddress, isZeroCIDR } from "./cidr-set.ts";

const LOOPBACK: readonly string[] = ["127.0.0.0/8", "::1/128"];
const LINK_LOCAL_IPV6 = "fe80::/10";

/** Where node ports should answer, and where they can. */
interface NodePortPlaces {
  /** Canonical CIDRs, "primary", "localhost", "all"; none means "primary". */
  wanted: readonly string[];
  /** The node's first address of each family. */
  primary: readonly string[];
  /** The addresses of all of the node's interfaces. */
  interfaces: readonly string[];
}

/**
 * Returns them canonical, sorted, without duplicates. A family without any wanted address gets all
 * of its addresses, as in kube-proxy. Loopback addresses count only where they are named, since
 * "all" has never included them in nftables mode; for "primary" no interface needs to have the
 * address.
 */
export function nodePortAddressesFrom(places: NodePortPlaces): string[] {
  const wanted = places.wanted.length === 0 ? ["primary"] : places.wanted;
  const cidrs = wanted.flatMap((each) => expanded(each, places.primary));
  const chosen = CARRIED_FAMILIES.flatMap((family) => chosenOf(family, cidrs, places));
  return [...new Set(chosen)].sort(compareAddresses);
}

/** Reports whether only host processes can dial it. */
export function isLoopback(address: string): boolean {
  return LOOPBACK.some((cidr) => cidrContains(cidr, address));
}

function expanded(wanted: string, primary: readonly string[]): readonly string[] {
  if (wanted === "primary") return primary.map(cidrOfAddress);
  if (wanted === "localhost") return LOOPBACK;
  return wanted === "all" ? ["0.0.0.0/0", "::/0"] : [wanted];
}

function chosenOf(family: IPFamily, cidrs: readonly string[], places: NodePortPlaces): string[] {
  const own = cidrs.filter((cidr) => familyOf(cidr) === family);
  const named = own.filter((cidr) => !isZeroCIDR(cidr));
  const isAll = own.length === 0 || named.length < own.length;
  const known = [...places.interfaces, ...places.primary].filter((each) => isOf(family, each));
  return known.filter(
    (address) => named.some((cidr) => contains(cidr, address)) || (isAll && isReachable(address)),
  );
}

function isOf(family: IPFamily, address: string): boolean {
  return familyOf(address) === family;
}

/** A loopback address matches only a CIDR of loopback addresses. */
function contains(cidr: string, address: string): boolean {
  const network = cidr.slice(0, cidr.indexOf("/"));
  return cidrContains(cidr, address) && isLoopback(network) === isLoopback(address);
}

/** Reports whether others dial it: not so the link-local address of each Pod's interface. */
function isReachable(address: string): boolean {
  return !isLoopback(address) && !cidrContains(LINK_LOCAL_IPV6, address);
}
