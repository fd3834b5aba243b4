// A packet on its way through the kernel's rules, and what a rule can ask of it.

import { familyOf } from "../model/ip.ts";
import type { Protocol } from "../model/types.ts";
import type { Evidence } from "./evidence.ts";

/** The first packet of a connection or flow. */
export interface Packet {
  protocol: "tcp" | "udp" | "sctp";
  /** Canonical text, both of one family. */
  source: string;
  destination: string;
  /** 0: some port that the kernel chooses. */
  sourcePort: number;
  destinationPort: number;
  /** The interface it came in by, and goes out by; empty where there is none. */
  iif: string;
  oif: string;
  mark: number;
  ctMark: number;
  /** Whether the process that sends it has a socket of somebody else's address: Envoy has. */
  isFromTransparentSocket: boolean;
}

type Value = string | number | undefined;

/**
 * Undefined: a packet does not have that, and no comparison with it is true. How to add what a new
 * rule asks: a line here.
 */
const FIELDS: Readonly<Record<string, (packet: Packet, evidence: Evidence) => Value>> = {
  "meta mark": ({ mark }) => mark,
  "meta l4proto": ({ protocol }) => protocol,
  "meta nfproto": ({ source }) => (familyOf(source) === "IPv4" ? "ipv4" : "ipv6"),
  "ct mark": ({ ctMark }) => ctMark,
  "ct direction": () => "original",
  "ct state": ({ protocol, destination, destinationPort }, evidence) => {
    const named = protocol.toUpperCase() as Protocol;
    return evidence.isUntracked(named, destination, destinationPort) ? "untracked" : "new";
  },
  // Nobody has translated it yet.
  "ct status": () => "",
  "ip saddr": ({ source }) => ofFamily("IPv4", source),
  "ip daddr": ({ destination }) => ofFamily("IPv4", destination),
  "ip6 saddr": ({ source }) => ofFamily("IPv6", source),
  "ip6 daddr": ({ destination }) => ofFamily("IPv6", destination),
  "th dport": ({ destinationPort }) => destinationPort,
  "tcp dport": (packet) => portOf("tcp", packet, packet.destinationPort),
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
  "socket wildcard": (packet, evidence) => (hasListener(packet, evidence) ? 0 : undefined),
};

/** The value of a field by its name in a rule; throws RangeError for one that is not known. */
export function fieldValue(name: string, packet: Packet, evidence: Evidence): Value {
  const read = FIELDS[name];
  if (!read) throw new RangeError(name);
  return read(packet, evidence);
}

/** Undefined also while the address is not known. */
function ofFamily(family: "IPv4" | "IPv6", address: string): Value {
  return address !== "" && familyOf(address) === family ? address : undefined;
}

function portOf(protocol: Packet["protocol"], packet: Packet, port: number): Value {
  return packet.protocol === protocol ? port : undefined;
}

/** No socket belongs to a first packet of TCP yet; of UDP, a listener of Envoy's may. */
function hasListener(packet: Packet, evidence: Evidence): boolean {
  if (packet.protocol !== "udp") return false;
  if (packet.iif === "") return packet.isFromTransparentSocket;
  return evidence.listener("UDP", packet.destination, packet.destinationPort) !== undefined;
}
