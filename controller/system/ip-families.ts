// Which IP families this node has, for two questions: which addresses can sockets bind to, and
// which packets can be captured. They differ where IPv6 is in the kernel and disabled on lo.

import { existsSync, readFileSync } from "node:fs";
import type { IPFamily } from "../model/types.ts";

const IPV6_ADDRESSES = "/proc/net/if_inet6";
const DISABLE_IPV6 = "/proc/sys/net/ipv6/conf/lo/disable_ipv6";

/**
 * A kernel without IPv6 (ipv6.disable=1) refuses to bind any IPv6 address; one whose interfaces
 * have no IPv6 address does bind the wildcard.
 */
export function socketFamilies(file = IPV6_ADDRESSES): IPFamily[] {
  return existsSync(file) ? ["IPv4", "IPv6"] : ["IPv4"];
}

/** Without IPv6 in the kernel, or with IPv6 disabled on lo, no packet can be routed to the node. */
export function capturedFamilies(file = DISABLE_IPV6): IPFamily[] {
  const isEnabled = existsSync(file) && readFileSync(file, "utf8").trim() === "0";
  return isEnabled ? ["IPv4", "IPv6"] : ["IPv4"];
}
