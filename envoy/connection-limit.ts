// Descriptors that a process may open, local ports of the node → what an Envoy with those can carry
// at once. Envoy 1.40 does not outlive a lack of descriptors: so what connections and UDP flows may
// take never adds up to more than there are.
//
//    | reserved | UDP flows: one each | TCP connections: two each |

import { readFile } from "node:fs/promises";
import { localPorts, portCount } from "../controller/system/local-ports.ts";

/**
 * Envoy's own sockets and files (about 80), and a twentieth for UDP listeners and for connections
 * to backends that outlive their client.
 */
const RESERVED_DESCRIPTORS = 200;
const RESERVED_SHARE = 1 / 20;
const DESCRIPTORS_PER_CONNECTION = 2;
/** The most of the descriptors that all UDP flows may take. */
const UDP_SHARE = 1 / 2;

/** The most that Envoy's configuration can express; no process has that many. */
const MOST_CONNECTIONS = 2 ** 31 - 1;

/** Returns how many TCP connections, 1 to MOST_CONNECTIONS; the descriptors may be Infinity. */
export function connectionsFor(descriptors: number, ports: number): number {
  const available = Math.min(descriptors, 4 * MOST_CONNECTIONS);
  const reserved = Math.max(RESERVED_DESCRIPTORS, available * RESERVED_SHARE);
  const left = available - reserved - udpFlowsFor(available, ports);
  const connections = Math.floor(left / DESCRIPTORS_PER_CONNECTION);
  return Math.min(Math.max(1, connections), MOST_CONNECTIONS);
}

/** Returns how many UDP flows in all. Each has a local port of the node, so there are no more. */
export function udpFlowsFor(descriptors: number, ports: number): number {
  return Math.max(1, Math.floor(Math.min(ports, descriptors * UDP_SHARE)));
}

/** Returns how many TCP connections an Envoy can have that gets the limits of this process. */
export async function connectionsOfThisProcess(): Promise<number> {
  const descriptors = hardDescriptorLimit(await readFile("/proc/self/limits", "utf8"));
  return connectionsFor(descriptors, portCount(localPorts()));
}

/**
 * `limits` is the text of /proc/PID/limits. The hard limit counts: Envoy raises its soft limit to
 * that when it starts. Returns Infinity when there is none.
 */
export function hardDescriptorLimit(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
}
