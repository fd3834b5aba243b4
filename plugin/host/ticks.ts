// The VM's ticks. The host has a timer for each root context, and a VM has several of those while
// connections of an earlier configuration last; but one timer is enough for what the VM does, so
// the one that has ticked last stops the one before it.

import { proxy_set_tick_period_milliseconds } from "../abi/env";
import { enterContext } from "./context";

/** What was requested last; 0 for no ticks. */
let period: u32 = 0;
/** The root context whose timer ticked last; 0 for none. */
let ticking: u32 = 0;

/** Returns what was requested last, ms; 0 for no ticks. */
export function tickPeriod(): u32 {
  return period;
}

function setPeriod(milliseconds: u32): void {
  period = milliseconds;
  proxy_set_tick_period_milliseconds(milliseconds);
}

/** Requests ticks at least this often, for the root context of the present context. */
export function tickEvery(milliseconds: u32): void {
  if (period === 0 || period > milliseconds) setPeriod(milliseconds);
}

/** Ends a tick of this root context: the next comes after that time; 0 for none. */
export function continueTicks(root: u32, milliseconds: u32): void {
  if (root === ticking && milliseconds === period) return;
  if (root !== ticking && ticking !== 0 && enterContext(ticking)) setPeriod(0);
  ticking = root;
  enterContext(root);
  setPeriod(milliseconds);
}

/** A root context ends, perhaps the one with the timer: the next request reaches the host. */
export function forgetTicks(): void {
  period = 0;
}
