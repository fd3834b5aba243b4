// What the data plane carries so far. Widen these when it carries more: only this file knows.

import type { IPFamily, Protocol } from "../model/types.ts";

export const CARRIED_FAMILIES: readonly IPFamily[] = ["IPv4", "IPv6"];
export const CARRIED_PROTOCOLS: readonly Protocol[] = ["TCP", "UDP"];
/** Envoy has none of these, so Portico never will: their ports are left to other programs. */
export const FOREIGN_PROTOCOLS: readonly Protocol[] = ["SCTP"];
