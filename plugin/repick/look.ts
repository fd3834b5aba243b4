// A look at one connection that waits for its backend → nothing, or another backend of its list,
// which Envoy's next attempt then goes to: tcp_proxy asks the ORIGINAL_DST cluster for each
// attempt, and that reads the filter state each time. The attempt in progress is not affected.
//
// Another backend is set when one has failed; when one has been silent for half of Envoy's
// connect_timeout, because failure and next attempt then come one right after the other; and when
// the list no longer has the one that was set. A connection whose list is empty now is closed, like
// a new one.

import { noBackendTotal, repicksTotal } from "../counters";
import { enterContext } from "../host/context";
import { count } from "../host/counter";
import { closeDownstream } from "../host/stream";
import { attemptsBegun, isConnected, lastBackend } from "../host/upstream";
import { pickedBackend } from "../pick/backend";
import { setPickedDestination } from "../pick/destination";
import { isListed, PICKED, pickBackend, rememberBackend, UNREADABLE } from "../pick/lookup";
import { addTried, avoidTried } from "../pick/tried";
import { countMoved, countRetried } from "../stats/connections";
import { compareBackends } from "../table/backends";
import { backendBytes, keyFamily } from "../table/record";
import { BACKEND_IPV6_BYTES } from "../wire/layout";
import { backendOf, keyOf, triedOf, Waiting } from "./waiting";

const MILLISECOND: u64 = 1000000;
/** The longest time between two looks. Envoy makes some four attempts in it if each is refused. */
const LONGEST_PAUSE: u64 = 20 * MILLISECOND;
/** The pause grows with the time that nothing changes: this part of it. */
const PAUSE_DIVISOR: u64 = 4;

/** Silence after which the next backend is set. */
let silentAfter: u64 = 0;

/** Sets how long Envoy's attempts last, ms. */
export function setAttemptTime(milliseconds: u32): void {
  silentAfter = (milliseconds * MILLISECOND) / 2;
}

function isSame(entry: Waiting, backend: usize): bool {
  return compareBackends(backendOf(entry), backend, backendBytes(keyOf(entry))) === 0;
}

/** The attempt that the entry's backend is for has begun. Reports whether it is over. */
function hasFailed(entry: Waiting): bool {
  if (entry.begun > entry.attempt) return true;
  // Envoy names the last that failed, but not how often.
  if (entry.isAgain) return false;
  const last = lastBackend();
  return last !== 0 && isSame(entry, last);
}

/** Sets the picked backend for the next attempt. */
function setPicked(entry: Waiting): void {
  const picked = pickedBackend();
  entry.isAgain = isSame(entry, picked);
  entry.attempt = entry.begun + 1;
  if (entry.isAgain || !setPickedDestination(keyOf(entry))) return;
  memory.copy(backendOf(entry), picked, BACKEND_IPV6_BYTES);
  count(repicksTotal);
}

/** Sets another backend, or closes the connection. False: there is no need to look again. */
function repick(entry: Waiting, now: u64): bool {
  const key = keyOf(entry);
  addTried(triedOf(entry), backendOf(entry), backendBytes(key));
  avoidTried(triedOf(entry));
  const outcome = pickBackend(key);
  avoidTried(0);
  entry.since = now;
  if (outcome === PICKED) setPicked(entry);
  else if (outcome !== UNREADABLE) {
    count(noBackendTotal);
    closeDownstream();
    return false;
  }
  return true;
}

/** The attempt that the backend is for has begun; when that is new, the backend is counted. */
function noteBegun(entry: Waiting, begun: u32, now: u64): void {
  const isNew = entry.begun < entry.attempt;
  entry.begun = begun;
  if (!isNew) return;
  entry.since = now;
  if (entry.attempt > 1) countMoved(entry.context, keyFamily(keyOf(entry)), backendOf(entry));
}

/** The connection waits. False: there is no need to look again. */
function helpWaiting(entry: Waiting, now: u64): bool {
  const begun = attemptsBegun();
  if (begun < entry.attempt) return isListed(keyOf(entry), backendOf(entry)) || repick(entry, now);
  noteBegun(entry, begun, now);
  if (!hasFailed(entry) && now - entry.since < silentAfter) return true;
  return repick(entry, now);
}

/**
 * The present connection has its backend, or none any more. If it had several, session affinity and
 * the counts get the one that it has.
 */
export function settle(entry: Waiting): void {
  if (entry.attempt === 1) return;
  const last = lastBackend();
  if (last === 0) return;
  countMoved(entry.context, keyFamily(keyOf(entry)), last);
  if (!isConnected()) return;
  if (attemptsBegun() > 1) countRetried(entry.context);
  if (!isSame(entry, last)) rememberBackend(keyOf(entry), last);
}

/** Looks at a connection. False: it waits no longer. */
export function look(entry: Waiting, now: u64): bool {
  if (!enterContext(entry.context)) return false;
  if (isConnected()) {
    settle(entry);
    return false;
  }
  if (!helpWaiting(entry, now)) return false;
  entry.lookAt = now + min((now - entry.since) / PAUSE_DIVISOR, LONGEST_PAUSE);
  return true;
}
