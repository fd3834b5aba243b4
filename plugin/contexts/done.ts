// The end of a context. The host does not say which kind it was: connections are known by number
// (stats/open-connections.ts), roots by their configuration; a request leaves nothing.

import { forgetTicks } from "../host/ticks";
import { keepAgain, leave } from "../limit/admit";
import { endConnection, tickAgain } from "../load/connections";
import { settleEnding, watchAgain } from "../repick/watch";
import { countEnd } from "../stats/connections";
import { flush } from "../stats/counted";
import { isRoot } from "./root";

function endRoot(): void {
  flush();
  forgetTicks();
  watchAgain();
  keepAgain();
  tickAgain();
}

/** 1: nothing keeps the context. */
export function proxy_on_done(contextId: u32): u32 {
  if (isRoot(contextId)) {
    endRoot();
    return 1;
  }
  settleEnding(contextId);
  leave(contextId);
  endConnection(contextId);
  countEnd(contextId);
  return 1;
}
