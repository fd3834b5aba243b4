// What is counted of a connection, at its start and at its end. The configuration
// (contexts/root.ts) decides what to count: nothing, each ServicePort, or each of its backends too.

import { steadyNow } from "../host/clock";
import { lastFailure } from "../host/failure";
import { lastingProperty, readNumber } from "../host/property";
import { isBeingRefused } from "../host/refusal";
import { isConnected } from "../host/upstream";
import { pickedBackend } from "../pick/backend";
import { pickedServiceId } from "../pick/lookup";
import { EJECT_REFUSED, EJECT_TIMED_OUT } from "../wire/eject-layout";
import { FAMILY_IPV4 } from "../wire/layout";
import {
  STATS_ADDRESS_OFFSET,
  STATS_BUCKET_COUNT,
  STATS_CLOSED,
  STATS_CONNECT_BOUND_0,
  STATS_CONNECT_BOUND_1,
  STATS_CONNECT_BOUND_2,
  STATS_CONNECT_BOUND_3,
  STATS_CONNECT_BOUND_4,
  STATS_CONNECT_BUCKETS,
  STATS_CONNECT_NANOSECONDS,
  STATS_DURATION_BOUND_0,
  STATS_DURATION_BOUND_1,
  STATS_DURATION_BOUND_2,
  STATS_DURATION_BOUND_3,
  STATS_DURATION_BOUND_4,
  STATS_DURATION_BUCKETS,
  STATS_DURATION_NANOSECONDS,
  STATS_ENTRY_BYTES,
  STATS_FAILED_OTHERWISE,
  STATS_FAMILY_OFFSET,
  STATS_KEY_BYTES,
  STATS_OPENED,
  STATS_PORT_OFFSET,
  STATS_RECEIVED_BYTES,
  STATS_REFUSED,
  STATS_RETRIED,
  STATS_SENT_BYTES,
  STATS_TIMED_OUT,
} from "../wire/stats-layout";
import { countedEntry } from "./counted";
import { addOpen, takeOpen } from "./open-connections";
import { addNumber, addNumbers } from "./pages";

export const COUNT_NOTHING: u32 = 0;
export const COUNT_SERVICES: u32 = 1;
export const COUNT_BACKENDS: u32 = 2;

let mode: u32 = COUNT_SERVICES;

/** Sets what to count from now on: COUNT_NOTHING, COUNT_SERVICES or COUNT_BACKENDS. */
export function setCounting(wanted: u32): void {
  mode = wanted;
}

const received: usize = lastingProperty("request\0total_size");
const sent: usize = lastingProperty("response\0total_size");
const connectTime: usize = lastingProperty("upstream\0cx_pool_ready_duration");
const responseFlags: usize = lastingProperty("response\0flags");

/** Of Envoy's response flags (stream_info.h), UpstreamConnectionFailure: an attempt has failed … */
const FLAG_CONNECTION_FAILURE: u64 = 0x20;
/** … and UpstreamRetryLimitExceeded: no further one was made. */
const FLAG_RETRY_LIMIT: u64 = 0x8000;

/** What one connection adds: an entry, with its backend in the key where backends are counted. */
const event: usize = memory.data(STATS_ENTRY_BYTES);
/** The key of its whole ServicePort. */
const wholeKey: usize = memory.data(STATS_KEY_BYTES);

function beginEvent(): void {
  memory.fill(event, 0, STATS_ENTRY_BYTES);
}

/** Adds the event to the ServicePort, and to the backend in its key. */
function endEvent(): void {
  store<u64>(wholeKey, load<u64>(event));
  addNumbers(countedEntry(wholeKey), event);
  if (load<u8>(event + STATS_FAMILY_OFFSET) !== 0) addNumbers(countedEntry(event), event);
}

/** Starts an event of the Service that was just looked up. False when nothing is counted. */
function beginWithPicked(): bool {
  const id = pickedServiceId();
  if (mode === COUNT_NOTHING || id === 0) return false;
  beginEvent();
  store<u64>(event, id);
  return true;
}

function addBackendToKey(family: u32, backend: usize): void {
  const addressBytes: u32 = family === FAMILY_IPV4 ? 4 : 16;
  store<u8>(event + STATS_FAMILY_OFFSET, <u8>family);
  store<u16>(event + STATS_PORT_OFFSET, load<u16>(backend + addressBytes));
  memory.copy(event + STATS_ADDRESS_OFFSET, backend, addressBytes);
}

/** The picked backend became the destination of the connection with this context. */
export function countOpened(context: u32, family: u32): void {
  if (!beginWithPicked()) return;
  if (mode === COUNT_BACKENDS) addBackendToKey(family, pickedBackend());
  // A host without such a clock returns 0, which would mean no connection.
  addOpen(context, max<u64>(steadyNow(), 1), event);
  addNumber(event, STATS_OPENED, 1);
  endEvent();
}

/**
 * The connection to the frontend that was looked up was refused: STATS_NO_BACKEND, STATS_LIMITED or
 * STATS_LIMITED_NEW says why.
 */
export function countRefused(reason: u32): void {
  if (!beginWithPicked()) return;
  addNumber(event, reason, 1);
  endEvent();
}

/** Returns the STATS_ index of why the backend was unreachable. */
function failureReason(): u32 {
  const failure = lastFailure();
  if (failure === EJECT_REFUSED) return STATS_REFUSED;
  return failure === EJECT_TIMED_OUT ? STATS_TIMED_OUT : STATS_FAILED_OTHERWISE;
}

function connectBucket(nanoseconds: u64): u32 {
  const microseconds = (nanoseconds + 999) / 1000;
  if (microseconds <= STATS_CONNECT_BOUND_0) return 0;
  if (microseconds <= STATS_CONNECT_BOUND_1) return 1;
  if (microseconds <= STATS_CONNECT_BOUND_2) return 2;
  if (microseconds <= STATS_CONNECT_BOUND_3) return 3;
  return microseconds <= STATS_CONNECT_BOUND_4 ? 4 : STATS_BUCKET_COUNT - 1;
}

function durationBucket(nanoseconds: u64): u32 {
  const milliseconds = (nanoseconds + 999999) / 1000000;
  if (milliseconds <= STATS_DURATION_BOUND_0) return 0;
  if (milliseconds <= STATS_DURATION_BOUND_1) return 1;
  if (milliseconds <= STATS_DURATION_BOUND_2) return 2;
  if (milliseconds <= STATS_DURATION_BOUND_3) return 3;
  return milliseconds <= STATS_DURATION_BOUND_4 ? 4 : STATS_BUCKET_COUNT - 1;
}

/** Worth calling only where the backend sent nothing. Flags of failed attempts stay. */
function hasFailedToConnect(): bool {
  const flags = readNumber(responseFlags);
  if ((flags & FLAG_RETRY_LIMIT) !== 0) return true;
  return (flags & FLAG_CONNECTION_FAILURE) !== 0 && (!isConnected() || isBeingRefused());
}

/** Counts how the connection to the backend went. */
function countConnect(sentBytes: u64): void {
  if (sentBytes === 0 && hasFailedToConnect()) {
    addNumber(event, failureReason(), 1);
    return;
  }
  // Envoy has a time for a failed one too; none for one whose client left meanwhile.
  const nanoseconds = readNumber(connectTime);
  if (nanoseconds === 0) return;
  addNumber(event, STATS_CONNECT_NANOSECONDS, nanoseconds);
  addNumber(event, STATS_CONNECT_BUCKETS + connectBucket(nanoseconds), 1);
}

/** The context has ended; it need not be that of a counted connection. */
export function countEnd(context: u32): void {
  beginEvent();
  const openedAt = takeOpen(context, event);
  if (openedAt === 0) return;
  const now = steadyNow();
  const duration = now > openedAt ? now - openedAt : 0;
  addNumber(event, STATS_CLOSED, 1);
  addNumber(event, STATS_RECEIVED_BYTES, readNumber(received));
  const sentBytes = readNumber(sent);
  addNumber(event, STATS_SENT_BYTES, sentBytes);
  countConnect(sentBytes);
  addNumber(event, STATS_DURATION_NANOSECONDS, duration);
  addNumber(event, STATS_DURATION_BUCKETS + durationBucket(duration), 1);
  endEvent();
}

/** Whether the event's key is that of this backend. */
function isCountedFor(family: u32, backend: usize): bool {
  const addressBytes: u32 = family === FAMILY_IPV4 ? 4 : 16;
  return (
    load<u16>(event + STATS_PORT_OFFSET) === load<u16>(backend + addressBytes) &&
    memory.compare(event + STATS_ADDRESS_OFFSET, backend, addressBytes) === 0
  );
}

/**
 * The connection is now that of another backend than was counted, which has failed; does nothing
 * for the same one, and where backends are not counted. The ServicePort still has one connection.
 */
export function countMoved(context: u32, family: u32, backend: usize): void {
  if (mode !== COUNT_BACKENDS) return;
  beginEvent();
  const openedAt = takeOpen(context, event);
  if (openedAt === 0) return;
  if (load<u8>(event + STATS_FAMILY_OFFSET) !== 0 && !isCountedFor(family, backend)) {
    addNumber(event, STATS_CLOSED, 1);
    addNumber(event, failureReason(), 1);
    addNumbers(countedEntry(event), event);
    memory.fill(event + STATS_KEY_BYTES, 0, STATS_ENTRY_BYTES - STATS_KEY_BYTES);
    addBackendToKey(family, backend);
    addNumber(event, STATS_OPENED, 1);
    addNumbers(countedEntry(event), event);
  }
  addOpen(context, openedAt, event);
}

/** A backend has accepted the connection after an earlier attempt had failed. */
export function countRetried(context: u32): void {
  beginEvent();
  const openedAt = takeOpen(context, event);
  if (openedAt === 0) return;
  addOpen(context, openedAt, event);
  addNumber(event, STATS_RETRIED, 1);
  endEvent();
}
