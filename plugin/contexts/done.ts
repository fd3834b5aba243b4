// The end of a context. Which kind it was, the host does not say: a connection is known by its
// number (stats/open-connections.ts), a root by that it was configured; a request leaves nothing.

import { countEnd } from "../stats/connections";
import { flushForGood } from "../stats/counted";
import { isRoot } from "./root";

/** 1: nothing keeps the context. */
export function proxy_on_done(contextId: u32): u32 {
  if (isRoot(contextId)) flushForGood();
  else countEnd(contextId);
  return 1;
}
