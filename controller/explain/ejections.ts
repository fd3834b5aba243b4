// Which backends of the list that a connection gets are ejected, for its client: for TCP only,
// since Envoy's UDP proxy reports no backend's failure.

import type { Backend } from "../node/types.ts";
import { type EjectedBackend, ejectedOf } from "../wire/ejection-list.ts";
import type { BackendList, FrontendIdentity } from "../wire/key.ts";
import type { Evidence } from "./evidence.ts";

interface AskedList {
  frontend: FrontendIdentity;
  list: BackendList;
  client: string;
  backends: readonly Pick<Backend, "address" | "port">[];
}

/** Returns them by place, "10.1.1.11:8080"; empty where the Service does not eject. */
export function ejectedFor(
  { frontend, list, client, backends }: AskedList,
  evidence: Evidence,
): Map<string, EjectedBackend> {
  const settings = evidence.record(frontend, list)?.settings;
  if (frontend.protocol !== "TCP" || !settings?.ejection) return new Map();
  return ejectedOf({ backends, settings }, evidence.ejections(), client);
}
