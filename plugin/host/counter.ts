// Envoy's counters. They can never be removed, so their number is constant: see counters.ts.

import { METRIC_COUNTER, STATUS_OK } from "../abi/codes";
import { proxy_define_metric, proxy_increment_metric } from "../abi/env";
import { OUT_NUMBER } from "../abi/memory";
import { lastingAscii } from "./text";

/** Stands for a counter that the host would not define: counting it does nothing. */
export const NO_COUNTER: u32 = 0xffffffff;

/** Defines a counter, or finds the one of this name. NO_COUNTER when the host refuses. */
export function defineCounter(name: string): u32 {
  const bytes = lastingAscii(name);
  const status = proxy_define_metric(METRIC_COUNTER, bytes, name.length, OUT_NUMBER);
  heap.free(bytes);
  return status === STATUS_OK ? load<u32>(OUT_NUMBER) : NO_COUNTER;
}

/** Adds 1 to a counter. */
export function count(counter: u32): void {
  countMany(counter, 1);
}

/** Adds to a counter; does nothing for NO_COUNTER. */
export function countMany(counter: u32, by: u32): void {
  if (counter !== NO_COUNTER && by !== 0) proxy_increment_metric(counter, by);
}
