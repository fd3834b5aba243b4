// The host's clock.

import { STATUS_OK } from "../abi/codes";
import { proxy_get_current_time_nanoseconds } from "../abi/env";
import { OUT_NUMBER } from "../abi/memory";

/** Nanoseconds since 1970; may jump when the machine's clock is set. 0 when the host has none. */
export function now(): u64 {
  const status = proxy_get_current_time_nanoseconds(OUT_NUMBER);
  return status === STATUS_OK ? load<u64>(OUT_NUMBER) : 0;
}
