// The lab's address plan. Documentation and private ranges only, so that a mistake reaches nobody.
//
//    nodes     192.0.2.N/24      fd00:2::N/64     on the underlay
//    outside   192.0.2.200       fd00:2::c8       on the underlay
//    Pods      10.1.N.P/32       fd00:1:N::P/128  N: the node's number, P: 10 and up
//    Services  10.96.0.0/16      fd00:96::/112    not the lab's, but kept free

import { isIPv6 } from "node:net";

/** The Service CIDRs, which no address of the plan is in. */
export const SERVICE_CIDRS: readonly string[] = ["10.96.0.0/16", "fd00:96::/112"];
export const OUTSIDE_ADDRESSES: readonly string[] = ["192.0.2.200", "fd00:2::c8"];
/** The underlay's own: every namespace's default gateway. It forwards nothing, so it drops. */
export const GATEWAY_ADDRESSES: readonly string[] = ["192.0.2.254", "fd00:2::fe"];
/** Where Pods send everything: an address that every node has on each Pod's link. */
export const POD_GATEWAY_ADDRESSES: readonly string[] = ["169.254.1.1", "fe80::1"];

/** Addresses of the node with this number (1 and up): IPv4, then IPv6 when wanted. */
export function nodeAddresses(nodeNumber: number, dualStack: boolean): string[] {
  const hex = nodeNumber.toString(16);
  return dualStack ? [`192.0.2.${nodeNumber}`, `fd00:2::${hex}`] : [`192.0.2.${nodeNumber}`];
}

/** Addresses of a node's Pod with this number (0 and up). */
export function podAddresses(nodeNumber: number, podNumber: number, dualStack: boolean): string[] {
  const host = podNumber + 10;
  const v4 = `10.1.${nodeNumber}.${host}`;
  return dualStack ? [v4, `fd00:1:${nodeNumber.toString(16)}::${host.toString(16)}`] : [v4];
}

/** An address alone, as a prefix: "10.1.1.10" → "10.1.1.10/32". */
export function single(address: string): string {
  return `${address}/${isIPv6(address) ? 128 : 32}`;
}

/** An address on the underlay with its prefix length. */
export function onUnderlay(address: string): string {
  return `${address}/${isIPv6(address) ? 64 : 24}`;
}

/** The line for `ip -batch` by which a link gets an address. */
export function assign(prefix: string, link: string): string {
  return `addr add ${prefix} dev ${link}${prefix.includes(":") ? " nodad" : ""}`;
}
