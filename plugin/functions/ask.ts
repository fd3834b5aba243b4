// A record and the slot of its function → the index that the function picks, or NO_INDEX: it left
// the choice to the plugin, it failed, or it is left out because it failed before.
//
// The counters are Envoy's, as in counters.ts; a VM that is asked for no function has none.

import { pick } from "../abi/functions";
import { count, defineCounter, NO_COUNTER } from "../host/counter";
import { NO_INDEX } from "../pick/by-function";
import { backendCount, serviceId } from "../table/record";
import { fuelFor } from "./budget";
import { beginHashPicks } from "./by-hash";
import { isLeftOut, noteFailure, noteSuccess } from "./failures";
import { stateOf } from "./states";
import { beginView } from "./view";

/** The function leaves the choice to the plugin. */
const ANY_BACKEND: i32 = -1;

let isCounting: bool = false;
/** Picks that a function made, those that it left to the plugin included. */
let picksTotal: u32 = NO_COUNTER;
/** Picks for which balancing took the place of a function that failed … */
let failuresTotal: u32 = NO_COUNTER;
/** … or was left out, or whose backends could not be read. */
let skippedTotal: u32 = NO_COUNTER;

function startCounting(): void {
  if (isCounting) return;
  isCounting = true;
  picksTotal = defineCounter("portico_function_picks_total");
  failuresTotal = defineCounter("portico_function_failures_total");
  skippedTotal = defineCounter("portico_function_skipped_total");
}

/** Returns an index in the record's list, which has at least one backend, or NO_INDEX. */
export function askFunction(record: usize, slot: u32): i32 {
  startCounting();
  if (isLeftOut(slot) || !beginView(record)) {
    count(skippedTotal);
    return NO_INDEX;
  }
  beginHashPicks();
  const backends = backendCount(record);
  const answer = pick(slot, backends, stateOf(serviceId(record), slot), fuelFor(backends));
  if (<u32>answer < backends || answer === ANY_BACKEND) {
    noteSuccess(slot);
    count(picksTotal);
    return answer === ANY_BACKEND ? NO_INDEX : answer;
  }
  noteFailure(slot, answer);
  count(failuresTotal);
  return NO_INDEX;
}
