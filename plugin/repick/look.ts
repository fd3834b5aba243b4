// A look at one connection that waits for its backend → nothing, or another backend of its list,
// which Envoy's next attempt then goes to: tcp_proxy asks the ORIGINAL_DST cluster for each
// attempt, and that reads the filter state each time. The attempt in progress is not affected.
//
// Another backend is set when one has failed; when one has been silent for half of Envoy's
// connect_timeout, because failure and next attempt then come one right after the other; and when
// the list no longer has the one that was set. A connection whose list is empty now is closed. Once
// the last attempt has begun, the next one is set to refuse the client.
//
// What fails and what accepts is reported to plugin/eject, each attempt once.

import { noBackendTotal, repicksTotal } from "../counters";
import { noteFailure, noteSuccess } from "../eject/outcomes";
import { enterContext } from "../host/context";
import { count } from "../host/counter";
import { FAILED_OTHERWISE, lastFailure } from "../host/failure";
import { isBeingRefused, refuseDownstream } from "../host/refusal";
import { closeDownstream } from "../host/stream";
import { attemptsBegun, isConnected, lastBackend } from "../host/upstream";
import { moveConnection } from "../load/connections";
import { pickedBackend } from "../pick/backend";
import { setPickedDestination } from "../pick/destination";
import { isListed, PICKED, pickBackend, rememberBackend, UNREADABLE } from "../pick/lookup";
import { addTried, avoidTried } from "../pick/tried";
import { countMoved, countRetried } from "../stats/connections";
import { compareBackends } from "../table/backends";
import { backendBytes, keyFamily } from "../table/record";
import { BACKEND_IPV6_BYTES } from "../wire/layout";
import { backendOf, keyOf, leftOf, triedOf, Waiting } from "./waiting";

const MILLISECOND: u64 = 1000000;
/** The longest time between two looks. Envoy makes some four attempts in it if each is refused. */
const LONGEST_PAUSE: u64 = 20 * MILLISECOND;
/** The pause grows with the time that nothing changes: this part of it. */
const PAUSE_DIVISOR: u64 = 4;

/** How many attempts go to backends. */
let mostAttempts: u32 = 0;
/** Silence after which the next backend is set. */
let silentAfter: u64 = 0;

/** Sets how many attempts of Envoy go to backends, and how long each lasts, ms. */
export function setAttempts(most: u32, milliseconds: u32): void {
  mostAttempts = most;
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

/** An attempt of the entry's connection has failed, and Envoy knows of no later one that has. */
function fail(entry: Waiting, backend: usize, now: u64): void {
  if (!entry.countsFailures) return;
  const reason = lastFailure();
  if (reason !== FAILED_OTHERWISE) noteFailure(keyFamily(keyOf(entry)), backend, reason, now);
}

/** The attempt to the silent backend that was left has failed too. */
function failLeft(entry: Waiting, now: u64): void {
  if (!entry.hasLeft) return;
  entry.hasLeft = false;
  fail(entry, leftOf(entry), now);
}

/** The connection is now that of this backend, or was before. */
function move(entry: Waiting, backend: usize): void {
  countMoved(entry.context, keyFamily(keyOf(entry)), backend);
  moveConnection(entry.context, backend, backendBytes(keyOf(entry)));
}

/** The attempt that the backend is for has begun; when that is new, the backend is counted. */
function noteBegun(entry: Waiting, begun: u32, now: u64): void {
  const isNew = entry.begun < entry.attempt;
  entry.begun = begun;
  if (!isNew) return;
  entry.since = now;
  failLeft(entry, now);
  if (entry.attempt > 1) move(entry, backendOf(entry));
}

/** The backend is silent: its attempt goes on, and the next one goes to another. */
function leave(entry: Waiting, now: u64): bool {
  memory.copy(leftOf(entry), backendOf(entry), BACKEND_IPV6_BYTES);
  entry.hasLeft = true;
  return repick(entry, now);
}

/** The connection waits. False: there is no need to look again. */
function helpWaiting(entry: Waiting, now: u64): bool {
  const begun = attemptsBegun();
  if (begun < entry.attempt) return isListed(keyOf(entry), backendOf(entry)) || repick(entry, now);
  noteBegun(entry, begun, now);
  if (begun >= mostAttempts) return refuseDownstream(keyFamily(keyOf(entry)));
  if (hasFailed(entry)) {
    fail(entry, backendOf(entry), now);
    return repick(entry, now);
  }
  return now - entry.since < silentAfter || leave(entry, now);
}

/** The present connection has its backend: another one than in the entry, if it was left. */
function succeed(entry: Waiting, now: u64): void {
  const isLeft = entry.hasLeft && attemptsBegun() < entry.attempt;
  if (!isLeft) failLeft(entry, now);
  if (!entry.countsFailures) return;
  noteSuccess(keyFamily(keyOf(entry)), isLeft ? leftOf(entry) : backendOf(entry), now);
}

/** The present connection has ended without a backend. */
function failAll(entry: Waiting, now: u64): void {
  entry.begun = attemptsBegun();
  if (entry.begun < entry.attempt) return;
  failLeft(entry, now);
  if (hasFailed(entry)) fail(entry, backendOf(entry), now);
}

/** Session affinity and the counts get the backend that the connection has, if it had several. */
function settleMoved(entry: Waiting, isAccepted: bool): void {
  if (entry.attempt === 1) return;
  const last = lastBackend();
  if (last === 0) return;
  move(entry, last);
  if (!isAccepted) return;
  if (attemptsBegun() > 1) countRetried(entry.context);
  if (!isSame(entry, last)) rememberBackend(keyOf(entry), last);
}

/** The present connection has its backend. */
function settleConnected(entry: Waiting, now: u64): void {
  succeed(entry, now);
  settleMoved(entry, true);
}

/** The present connection waits no longer. Who accepted may be what refuses clients in the end. */
function settleAs(entry: Waiting, isAccepted: bool, now: u64): void {
  if (isAccepted && (entry.begun < mostAttempts || !isBeingRefused())) {
    settleConnected(entry, now);
    return;
  }
  failAll(entry, now);
  if (!isAccepted) settleMoved(entry, false);
}

/** The present connection ends: it has its backend, or none any more. */
export function settle(entry: Waiting, now: u64): void {
  settleAs(entry, isConnected(), now);
}

/** Looks at a connection. False: it waits no longer. */
export function look(entry: Waiting, now: u64): bool {
  if (!enterContext(entry.context)) return false;
  if (isConnected()) {
    settleAs(entry, true, now);
    return false;
  }
  if (!helpWaiting(entry, now)) return false;
  entry.lookAt = now + min((now - entry.since) / PAUSE_DIVISOR, LONGEST_PAUSE);
  return true;
}
