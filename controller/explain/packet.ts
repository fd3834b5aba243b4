// A packet on its way through the kernel's rules, and what a rule can test.

import { familyOf } from "../model/ip.ts";
import type { Protocol } from "../model/types.ts";
import type { Evidence } from "./evidence.ts";

/** The first packet of a connection or flow. */
export interface Packet {
  protocol: "tcp" | "udp" | "sctp";
  /** Canonical text, both of one family. */
  source: string;
  destination: string;
  /** 0: any port, chosen by the kernel. */
  sourcePort: number;
  destinationPort: number;
  /** The interfaces by which it came in, and goes out; empty where there is none. */
  iif: string;
  oif: string;
  mark: number;
  ctMark: number;
  /** Whether the sender's socket is bound to an address of another host, as Envoy's are. */
  isFromTransparentSocket: boolean;
  /** What rules added to sets for it and packets like it: "set element" each. */
  added: Set<string>;
  /** A rule excluded it from tracking. */
  isUntracked: boolean;
}

type Value = string | number | undefined;

/**
 * Undefined: a packet lacks that field, and no comparison with it is true. To add what a new rule
 * tests: a line here.
 */
const FIELDS: Readonly<Record<string, (packet: Packet, evidence: Evidence) => Value>> = {
  "meta mark": ({ mark }) => mark,
  "meta l4proto": ({ protocol }) => protocol,
  "meta nfproto": ({ source }) => (familyOf(source) === "IPv4" ? "ipv4" : "ipv6"),
  "ct mark": ({ ctMark }) => ctMark,
  "ct direction": () => "original",
  "ct state": ({ protocol, destination, destinationPort, isUntracked }, evidence) => {
    if (isUntracked) return "untracked";
    const named = protocol.toUpperCase() as Protocol;
    return evidence.isUntracked(named, destination, destinationPort) ? "untracked" : "new";
  },
  // No NAT has translated it yet.
  "ct status": () => "",
  "ip saddr": ({ source }) => ofFamily("IPv4", source),
  "ip daddr": ({ destination }) => ofFamily("IPv4", destination),
  "ip6 saddr": ({ source }) => ofFamily("IPv6", source),
  "ip6 daddr": ({ destination }) => ofFamily("IPv6", destination),
  "th dport": ({ destinationPort }) => destinationPort,
  "tcp dport": (packet) => portOf("tcp", packet, packet.destinationPort),
  // The length is not known: assume a datagram that is not short, which Envoy forwards unchanged.
  "udp length": (packet) => portOf("udp", packet, 512),
  "@th,64,128": (packet) => portOf("udp", packet, 0),
  "udp dport": (packet) => portOf("udp", packet, packet.destinationPort),
  "udp sport": (packet) => portOf("udp", packet, packet.sourcePort),
  "icmp type": () => undefined,
  "icmpv6 type": () => undefined,
  iifname: ({ iif }) => iif || undefined,
  oif: ({ oif }) => oif || undefined,
  oifname: ({ oif }) => oif || undefined,
  "meta iifkind": ({ iif }, evidence) => (evidence.isBridge(iif) ? "bridge" : undefined),
  "fib saddr type": ({ source }, evidence) => evidence.route(source).type,
  "fib daddr type": ({ destination }, evidence) => evidence.route(destination).type,
  "socket transparent": (packet, evidence) => (hasListener(packet, evidence) ? 1 : undefined),
  // For what leaves the node: from the socket that asks backends, which has no address.
  "socket wildcard": (packet, evidence) =>
    hasListener(packet, evidence) ? Number(packet.iif === "") : undefined,
};

/** Returns the value of a field by its name in a rule; throws RangeError for an unknown one. */
export function fieldValue(name: string, packet: Packet, evidence: Evidence): Value {
  const read = FIELDS[name];
  if (!read) throw new RangeError(name);
  return read(packet, evidence);
}

/** Returns undefined also while the address is not known. */
function ofFamily(family: "IPv4" | "IPv6", address: string): Value {
  return address !== "" && familyOf(address) === family ? address : undefined;
}

function portOf(protocol: Packet["protocol"], packet: Packet, port: number): Value {
  return packet.protocol === protocol ? port : undefined;
}

/** A first packet of TCP has no socket yet; for UDP, one of Envoy's listeners may be its socket. */
function hasListener(packet: Packet, evidence: Evidence): boolean {
  if (packet.protocol !== "udp") return false;
  if (packet.iif === "") return packet.isFromTransparentSocket;
  return evidence.listener("UDP", packet.destination, packet.destinationPort) !== undefined;
}
