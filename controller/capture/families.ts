// How nftables and ip write what differs between the IP families.

import type { IPFamily } from "../model/types.ts";

export interface Family {
  family: IPFamily;
  /** nftables' word for its header, for its addresses, and what our sets' names end with. */
  header: "ip" | "ip6";
  type: "ipv4_addr" | "ipv6_addr";
  suffix: "v4" | "v6";
  /** What `meta nfproto` says of its packets. */
  nfproto: "ipv4" | "ipv6";
  /** An address that Envoy's capture listeners, bound to every address, are found by. */
  loopback: string;
  /** The option by which ip is asked for it. */
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

export function familiesOf(families: readonly IPFamily[]): readonly Family[] {
  return FAMILIES.filter(({ family }) => families.includes(family));
}
