// What is counted of a connection, when it begins and when it ends. Whether anything is, the
// configuration says (contexts/root.ts): nothing, each ServicePort, or each of its backends too.

import { release, returnedSize } from "../abi/memory";
import { steadyNow } from "../host/clock";
import { readProperty } from "../host/property";
import { lastingAscii } from "../host/text";
import { pickedBackend } from "../pick/backend";
import { pickedServicePort } from "../pick/lookup";
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
  STATS_NO_BACKEND,
  STATS_OPENED,
  STATS_PORT_OFFSET,
  STATS_RECEIVED_BYTES,
  STATS_REFUSED,
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

export function setCounting(wanted: u32): void {
  mode = wanted;
}

const RECEIVED = "request\0total_size";
const receivedPath: usize = lastingAscii(RECEIVED);
const SENT = "response\0total_size";
const sentPath: usize = lastingAscii(SENT);
const CONNECT_TIME = "upstream\0cx_pool_ready_duration";
const connectTimePath: usize = lastingAscii(CONNECT_TIME);
const FLAGS = "response\0flags";
const flagsPath: usize = lastingAscii(FLAGS);
const FAILURE = "upstream\0transport_failure_reason";
const failurePath: usize = lastingAscii(FAILURE);

/** UpstreamConnectionFailure of Envoy's response flags (stream_info.h). */
const FLAG_CONNECTION_FAILURE: u64 = 0x20;

/** What one connection adds: an entry, with its backend in the key where backends are counted. */
const event: usize = memory.data(204); // STATS_ENTRY_BYTES
/** The key of its whole ServicePort. */
const wholeKey: usize = memory.data(28); // STATS_KEY_BYTES

function beginEvent(): void {
  memory.fill(event, 0, STATS_ENTRY_BYTES);
}

/** Adds the event to the ServicePort, and to the backend that is in its key. */
function endEvent(): void {
  store<u64>(wholeKey, load<u64>(event));
  addNumbers(countedEntry(wholeKey), event);
  if (load<u8>(event + STATS_FAMILY_OFFSET) !== 0) addNumbers(countedEntry(event), event);
}

/** Begins with the Service that was just looked up. False when nothing is to be counted. */
function beginWithPicked(): bool {
  const port = pickedServicePort();
  if (mode === COUNT_NOTHING || port === 0) return false;
  beginEvent();
  store<u64>(event, port);
  return true;
}

function addBackendToKey(family: u32): void {
  const backend = pickedBackend();
  const addressBytes: u32 = family === FAMILY_IPV4 ? 4 : 16;
  store<u8>(event + STATS_FAMILY_OFFSET, <u8>family);
  store<u16>(event + STATS_PORT_OFFSET, load<u16>(backend + addressBytes));
  memory.copy(event + STATS_ADDRESS_OFFSET, backend, addressBytes);
}

/** The picked backend became the destination of the connection with this context. */
export function countOpened(context: u32, family: u32): void {
  if (!beginWithPicked()) return;
  if (mode === COUNT_BACKENDS) addBackendToKey(family);
  // A host without such a clock says 0, which would stand for no connection.
  addOpen(context, max<u64>(steadyNow(), 1), event);
  addNumber(event, STATS_OPENED, 1);
  endEvent();
}

/** The frontend that was looked up has no backend. */
export function countNoBackend(): void {
  if (!beginWithPicked()) return;
  addNumber(event, STATS_NO_BACKEND, 1);
  endEvent();
}

/** A property of 8 bytes; 0 when absent. */
function readNumber(path: usize, size: u32): u64 {
  const value = readProperty(path, size);
  const number = value !== 0 && returnedSize() === 8 ? load<u64>(value) : 0;
  release(value);
  return number;
}

function hasWord(text: usize, size: u32, word: string): bool {
  const length = <u32>word.length;
  for (let at: u32 = 0; at + length <= size; at++) {
    let i: u32 = 0;
    while (i < length && load<u8>(text + at + i) === <u8>word.charCodeAt(i)) i++;
    if (i === length) return true;
  }
  return false;
}

/**
 * Why the backend could not be reached, by Envoy's words ("delayed connect error: Connection
 * refused"). It has none for a connect_timeout of its own.
 */
function failureReason(): u32 {
  const text = readProperty(failurePath, FAILURE.length);
  const size = text === 0 ? 0 : returnedSize();
  let reason = STATS_FAILED_OTHERWISE;
  if (hasWord(text, size, "refused")) reason = STATS_REFUSED;
  else if (size === 0 || hasWord(text, size, "timed out")) reason = STATS_TIMED_OUT;
  release(text);
  return reason;
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

/** Only worth asking where the backend sent nothing. */
function hasFailedToConnect(): bool {
  return (readNumber(flagsPath, FLAGS.length) & FLAG_CONNECTION_FAILURE) !== 0;
}

/** How the connection to the backend went. */
function countConnect(sentBytes: u64): void {
  if (sentBytes === 0 && hasFailedToConnect()) {
    addNumber(event, failureReason(), 1);
    return;
  }
  // Envoy has a time for one that failed, too; none for one whose client went away meanwhile.
  const nanoseconds = readNumber(connectTimePath, CONNECT_TIME.length);
  if (nanoseconds === 0) return;
  addNumber(event, STATS_CONNECT_NANOSECONDS, nanoseconds);
  addNumber(event, STATS_CONNECT_BUCKETS + connectBucket(nanoseconds), 1);
}

/** The context has ended; it may be none of a connection that was counted. */
export function countEnd(context: u32): void {
  beginEvent();
  const openedAt = takeOpen(context, event);
  if (openedAt === 0) return;
  const now = steadyNow();
  const duration = now > openedAt ? now - openedAt : 0;
  addNumber(event, STATS_CLOSED, 1);
  addNumber(event, STATS_RECEIVED_BYTES, readNumber(receivedPath, RECEIVED.length));
  const sentBytes = readNumber(sentPath, SENT.length);
  addNumber(event, STATS_SENT_BYTES, sentBytes);
  countConnect(sentBytes);
  addNumber(event, STATS_DURATION_NANOSECONDS, duration);
  addNumber(event, STATS_DURATION_BUCKETS + durationBucket(duration), 1);
  endEvent();
}
