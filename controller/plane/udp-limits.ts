// Limits of this host → how many UDP flows one cluster of Envoy may have. A flow takes a local port
// of the node, whatever its client and its backend, and one of Envoy's descriptors. Without free
// ports, the host's processes can send no datagrams (EAGAIN), and neither can Envoy's flows to
// other Services. Without descriptors, Envoy dies (envoy/connection-limit.ts).

import { readFileSync } from "node:fs";
import { hardDescriptorLimit, udpFlowsFor } from "../../envoy/connection-limit.ts";
import { localPorts, type PortRange, portCount } from "../system/local-ports.ts";

const LIMITS = "/proc/self/limits";
/** The fraction of the ports that no single cluster may take. */
const RESERVED_PORTS = 1 / 8;
/** With more clusters than this, most are idle: the busy ones should not starve for them. */
const MOST_SHARES = 8;

/**
 * Returns the most flows of one of so many clusters. The limits are those of this host and this
 * process at the time of the call, which Envoy shares. Where all ports together are within what
 * flows may take, each cluster may have most of them; elsewhere the clusters share that. A change
 * ends their flows, so the shares are powers of two.
 */
export function udpFlowLimits(
  range: PortRange = localPorts(),
  limitsFile = LIMITS,
): (clusters: number) => number {
  const ports = portCount(range);
  const ofOne = ports * (1 - RESERVED_PORTS);
  const all = udpFlowsFor(hardDescriptorLimit(readFileSync(limitsFile, "utf8")), ports);
  return (clusters) => {
    const sharing = Math.min(Math.max(1, clusters), MOST_SHARES);
    const shares = all === ports ? 1 : 2 ** Math.ceil(Math.log2(sharing));
    return Math.max(1, Math.floor(Math.min(ofOne, all / shares)));
  };
}
