// The host's clocks.

import { STATUS_OK } from "../abi/codes";
import { proxy_get_current_time_nanoseconds } from "../abi/env";
import { OUT_NUMBER } from "../abi/memory";
import { CLOCK_MONOTONIC, clock_time_get } from "../abi/wasi_snapshot_preview1";

/** Returns nanoseconds since 1970; may jump when the machine's clock is set. 0 without a clock. */
export function now(): u64 {
  const status = proxy_get_current_time_nanoseconds(OUT_NUMBER);
  return status === STATUS_OK ? load<u64>(OUT_NUMBER) : 0;
}

/**
 * Returns nanoseconds since some moment that is the same for all VMs of one host; never jumps. 0
 * when the host has no such clock.
 */
export function steadyNow(): u64 {
  return clock_time_get(CLOCK_MONOTONIC, 0, OUT_NUMBER) === 0 ? load<u64>(OUT_NUMBER) : 0;
}
