// A new connection of a ServicePort with limits → served or refused. Exact over all VMs of this
// Envoy: a VM decides by what it has read, and is right if nothing was written meanwhile
// (compare-and-set); else it reads again.
//
// New connections: each takes 1/n second of an allowance that holds one second. So n may come at
// once, and n in each second after that. A refused one takes nothing.

import { STATUS_CAS_MISMATCH, STATUS_OK } from "../abi/codes";
import { steadyNow } from "../host/clock";
import { tickEvery } from "../host/ticks";
import { enterHeld, heldAt, heldCount, heldPlaces, hold, holdsAny, letGo } from "./held";
import { othersCount, readCounts, setSpentUntil, spentUntil, writeCounts } from "./shared-counts";

export const ADMITTED: u32 = 0;
export const TOO_MANY: u32 = 1;
export const TOO_FAST: u32 = 2;

const SECOND: u64 = 1000000000;
const KEEP_MILLISECONDS: u32 = 1000;
/** A tick may come a little early. */
const KEEP_NANOSECONDS: u64 = 900000000;
/** Each failure is another VM's success. A connection that never gets its turn is served. */
const ATTEMPTS: u32 = 1000;

let keptAt: u64 = 0;

/** Takes a new connection from the allowance that was read; false when there is none left. */
function spend(mostNew: u32, now: u64): bool {
  const each = max<u64>(SECOND / mostNew, 1);
  const until = max(spentUntil(), now) + each;
  if (until > now + SECOND) return false;
  setSpentUntil(until);
  return true;
}

function admitOnce(serviceId: u64, most: u32, mostNew: u32, now: u64): u32 {
  const own = heldCount(serviceId);
  if (most !== 0 && othersCount() + own >= most) return TOO_MANY;
  if (mostNew !== 0 && !spend(mostNew, now)) return TOO_FAST;
  return ADMITTED;
}

/**
 * Decides on the present connection. Limits of 0 are none. What the host fails to count is served.
 */
export function admit(context: u32, serviceId: u64, most: u32, mostNew: u32): u32 {
  const now = steadyNow();
  let status = STATUS_CAS_MISMATCH;
  for (let i: u32 = 0; i < ATTEMPTS && status === STATUS_CAS_MISMATCH; i++) {
    status = readCounts(serviceId, now);
    if (status !== STATUS_OK) break;
    const outcome = admitOnce(serviceId, most, mostNew, now);
    if (outcome !== ADMITTED) return outcome;
    status = writeCounts(serviceId, heldCount(serviceId) + (most !== 0 ? 1 : 0), now);
  }
  if (most !== 0) {
    hold(context, serviceId);
    tickEvery(KEEP_MILLISECONDS);
  }
  return ADMITTED;
}

function writeHeld(serviceId: u64, now: u64): void {
  let status = STATUS_CAS_MISMATCH;
  for (let i: u32 = 0; i < ATTEMPTS && status === STATUS_CAS_MISMATCH; i++) {
    status = readCounts(serviceId, now);
    if (status === STATUS_OK) status = writeCounts(serviceId, heldCount(serviceId), now);
  }
}

/** The context has ended; it need not be that of a connection that counts. */
export function leave(context: u32): void {
  const serviceId = letGo(context);
  if (serviceId !== 0) writeHeld(serviceId, steadyNow());
}

/** Writes this VM's counts in a tick, once a second. Returns the ticks that it needs, ms; or 0. */
export function keepCounts(now: u64): u32 {
  if (!holdsAny()) return 0;
  if (now - keptAt < KEEP_NANOSECONDS) return KEEP_MILLISECONDS;
  keptAt = now;
  for (let place: u32 = 0; place < heldPlaces(); place++) {
    if (heldAt(place).count !== 0) writeHeld(heldAt(place).serviceId, now);
  }
  return KEEP_MILLISECONDS;
}

/** Requests ticks for what counts, from a root context that still has connections. */
export function keepAgain(): void {
  if (enterHeld()) tickEvery(KEEP_MILLISECONDS);
}
