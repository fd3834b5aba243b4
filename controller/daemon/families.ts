// Which IP families sockets can have here. A kernel without IPv6 (ipv6.disable=1) refuses to bind
// any IPv6 address; one whose interfaces have no IPv6 address does bind the wildcard.

import { existsSync } from "node:fs";
import type { IPFamily } from "../model/types.ts";

export function familiesOfThisHost(): IPFamily[] {
  return existsSync("/proc/net/if_inet6") ? ["IPv4", "IPv6"] : ["IPv4"];
}
