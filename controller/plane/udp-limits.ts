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
/**
 * Into how many parts the descriptors for flows are divided, where they do not suffice for all
 * ports. Of more clusters most are idle, and the busy ones should not starve for them. The same for
 * any number of clusters: a cluster whose limit changes is made again, which ends its flows.
 */
const SHARES = 8;

/**
 * Returns the most flows of one cluster. The limits are those of this host and this process at the
 * time of the call, which Envoy shares. Where all ports together are within what flows may take,
 * each cluster may have most of them, elsewhere a share of that.
 */
export function udpFlowLimit(range: PortRange = localPorts(), limitsFile = LIMITS): number {
  const ports = portCount(range);
  const ofOne = ports * (1 - RESERVED_PORTS);
  const all = udpFlowsFor(hardDescriptorLimit(readFileSync(limitsFile, "utf8")), ports);
  const shares = all === ports ? 1 : SHARES;
  return Math.max(1, Math.floor(Math.min(ofOne, all / shares)));
}
