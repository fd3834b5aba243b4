// How nftables and ip spell what differs between the IP families.

import type { IPFamily } from "../model/types.ts";

export interface Family {
  family: IPFamily;
  /** nftables' words for its header and its addresses, and the suffix of our sets' names. */
  header: "ip" | "ip6";
  type: "ipv4_addr" | "ipv6_addr";
  suffix: "v4" | "v6";
  /** The value of `meta nfproto` for its packets. */
  nfproto: "ipv4" | "ipv6";
  /** An address by which Envoy's capture listeners, bound to every address, are found. */
  loopback: string;
  /** The option of `ip` for it. */
  ipOption: "-4" | "-6";
  /** Bits of an address. */
  bits: 32 | 128;
}

const IPV4: Family = {
  family: "IPv4",
  header: "ip",
  type: "ipv4_addr",
  suffix: "v4",
  nfproto: "ipv4",
  loopback: "127.0.0.1",
  ipOption: "-4",
  bits: 32,
};

const IPV6: Family = {
  family: "IPv6",
  header: "ip6",
  type: "ipv6_addr",
  suffix: "v6",
  nfproto: "ipv6",
  loopback: "[::1]",
  ipOption: "-6",
  bits: 128,
};

const FAMILIES: readonly Family[] = [IPV4, IPV6];

/** Returns how nftables and ip spell these families, IPv4 first whatever the order given. */
export function familiesOf(families: readonly IPFamily[]): readonly Family[] {
  return FAMILIES.filter(({ family }) => families.includes(family));
}
