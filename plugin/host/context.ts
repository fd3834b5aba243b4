// Which context the host's functions are for: the one whose callback runs, unless another is
// entered, until that callback returns.

import { STATUS_OK } from "../abi/codes";
import { proxy_set_effective_context } from "../abi/env";

/** Enters a context: properties, filter state and ticks are then its own. False: it has ended. */
export function enterContext(context: u32): bool {
  return proxy_set_effective_context(context) === STATUS_OK;
}
