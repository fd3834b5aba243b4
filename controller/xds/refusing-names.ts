// The clusters to which clients are connected that are refused (refusing.ts), by name.

import type { IPFamily } from "../model/types.ts";

export const REFUSING_PREFIX = "refusing-";

/** Known to the plugin (plugin/host/refusal.ts). */
export const REFUSING_CLUSTER: Record<IPFamily, string> = {
  IPv4: `${REFUSING_PREFIX}ipv4`,
  IPv6: `${REFUSING_PREFIX}ipv6`,
};
