// CIDRs as operators list them → CIDRs as an nftables interval set takes them.

import { cidrContains, compareAddresses } from "../model/ip.ts";

/** Returns them sorted by address, without duplicates, and without those that another contains. */
export function widestCIDRs(cidrs: Iterable<string>): string[] {
  const all = [...new Set(cidrs)];
  const widest = all.filter((cidr) => !all.some((other) => isIn(cidr, other)));
  return widest.sort((a, b) => compareAddresses(networkOf(a), networkOf(b)));
}

/** Reports whether it means "any": 0.0.0.0/0 or ::/0. */
export function isZeroCIDR(cidr: string): boolean {
  return bitsOf(cidr) === 0;
}

/** "10.1.1.10" → "10.1.1.10/32" */
export function cidrOfAddress(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

function isIn(cidr: string, other: string): boolean {
  return bitsOf(cidr) > bitsOf(other) && cidrContains(other, networkOf(cidr));
}

function networkOf(cidr: string): string {
  return cidr.slice(0, cidr.indexOf("/"));
}

function bitsOf(cidr: string): number {
  return Number(cidr.slice(cidr.indexOf("/") + 1));
}
