// The kernel's range of local ports: those that it gives to sockets that choose none.

import { readFileSync } from "node:fs";

const PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range";

/** Both ports are part of it. */
export interface PortRange {
  first: number;
  last: number;
}

/** Returns ip_local_port_range of this network namespace, which also holds for IPv6. */
export function localPorts(file = PORT_RANGE): PortRange {
  return portRangeFrom(readFileSync(file, "utf8"));
}

/** Reads the text of that sysctl; the ports of another text are NaN. */
export function portRangeFrom(text: string): PortRange {
  const [first = Number.NaN, last = Number.NaN] = text.split(/\s+/).map(Number);
  return { first, last };
}

/** Returns how many ports the range has. */
export function portCount({ first, last }: PortRange): number {
  return last - first + 1;
}
