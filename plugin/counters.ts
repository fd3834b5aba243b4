// The plugin's counters, as Envoy shows them ("wasmcustom.portico_…"). Their number is constant,
// because Envoy never removes a counter: nothing here is per Service.
//
// To add one: its variable, its line in defineCounters, and count() where it happens.

import { defineCounter, NO_COUNTER } from "./host/counter";

export let picksTotal: u32 = NO_COUNTER;
export let unknownFrontendTotal: u32 = NO_COUNTER;
export let noBackendTotal: u32 = NO_COUNTER;
/** Connections that a limit of their Service refused. */
export let limitedTotal: u32 = NO_COUNTER;
export let framesRefusedTotal: u32 = NO_COUNTER;
/** Clients that were forgotten early, for lack of room. */
export let affinityEvictedTotal: u32 = NO_COUNTER;
/** A Service's counts of one second that could not be added to its numbers. */
export let statsLostTotal: u32 = NO_COUNTER;
/** Backends that were set for a connection because another had not accepted it. */
export let repicksTotal: u32 = NO_COUNTER;
/** Ejections that began, by what failed: of a backend for one client, or for all. */
export let ejectionsRefusedTotal: u32 = NO_COUNTER;
export let ejectionsTimedOutTotal: u32 = NO_COUNTER;
export let ejectionsUnreachableTotal: u32 = NO_COUNTER;

/** Once for each VM. */
export function defineCounters(): void {
  picksTotal = defineCounter("portico_picks_total");
  unknownFrontendTotal = defineCounter("portico_unknown_frontend_total");
  noBackendTotal = defineCounter("portico_no_backend_total");
  limitedTotal = defineCounter("portico_limited_total");
  framesRefusedTotal = defineCounter("portico_frames_refused_total");
  affinityEvictedTotal = defineCounter("portico_affinity_evicted_total");
  statsLostTotal = defineCounter("portico_stats_lost_total");
  repicksTotal = defineCounter("portico_repicks_total");
  ejectionsRefusedTotal = defineCounter("portico_ejections_refused_total");
  ejectionsTimedOutTotal = defineCounter("portico_ejections_timed_out_total");
  ejectionsUnreachableTotal = defineCounter("portico_ejections_unreachable_total");
}
