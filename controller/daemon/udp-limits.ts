// What this host allows → how many UDP flows there may be. A flow through Envoy takes a local port
// of the node, whatever its client and its backend, and a descriptor of Envoy's. Out of ports, the
// host's own processes can send no datagram (EAGAIN), Envoy's flows to other Services included. Out
// of descriptors, Envoy ends itself (1.40: an assertion when a flow gets no socket).

import { readFileSync } from "node:fs";
import { hardDescriptorLimit } from "../../envoy/connection-limit.ts";

const PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range";
const LIMITS = "/proc/self/limits";
/** The part of the ports that no single cluster may take. */
const RESERVED_PORTS = 1 / 8;
/** The part of the descriptors that one cluster may take; TCP connections take two each. */
const SHARE_OF_DESCRIPTORS = 1 / 4;

export interface PortRange {
  first: number;
  last: number;
}

/** ip_local_port_range of this network namespace, both included; also for IPv6. */
export function localPorts(file = PORT_RANGE): PortRange {
  const [first = Number.NaN, last = Number.NaN] = readFileSync(file, "utf8")
    .split(/\s+/)
    .map(Number);
  return { first, last };
}

/** Most flows of one cluster. The limits are this process's, which Envoy has too. */
export function udpFlowLimit({ first, last }: PortRange, limitsFile = LIMITS): number {
  const ports = (last - first + 1) * (1 - RESERVED_PORTS);
  const descriptors = hardDescriptorLimit(readFileSync(limitsFile, "utf8")) * SHARE_OF_DESCRIPTORS;
  return Math.max(1, Math.floor(Math.min(ports, descriptors)));
}
