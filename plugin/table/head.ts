// The head of the table: its version, and whether a push is changing it. Its compare-and-set number
// separates two pushes on two workers. A push first takes the head (version 0, "no complete table")
// and settles it afterwards; a VM that dies in between leaves version 0, and the controller then
// pushes a snapshot.

import { STATUS_BROKEN, STATUS_CAS_MISMATCH, STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { now } from "../host/clock";
import { readShared, returnedCas, writeShared } from "../host/shared-data";
import { HEAD_KEY_BYTES, headKey } from "./keys";

/** Its form in shared data. */
@unmanaged
export class Head {
  /** 0 while there is no complete table. */
  version: u64;
  /** Version of the snapshot being loaded; 0 for none. */
  loadingVersion: u64;
  /** When it was taken (ns since 1970); 0 when no push holds it. */
  takenAt: u64;
  /** First bucket that the snapshot being loaded has not covered yet. */
  nextBucket: u32;
  frontendCount: u32;
  /** Frontends so far in the frames of the snapshot being loaded. */
  loadingCount: u32;
  /** Increases with every push: the stamp of the lists that it writes. */
  stamp: u32;
}

/** A push that takes longer counts as dead; otherwise no push could follow a VM that died. */
const LEASE_NANOSECONDS: u64 = 1000000000;

const bytes: usize = memory.data(offsetof<Head>(), 8);
let cas: u32 = 0;

/** Returns the head as it was read last. */
export function head(): Head {
  return changetype<Head>(bytes);
}

/** Reads the head; all zero when there is none yet. */
export function readHead(): u32 {
  const status = readShared(headKey(), HEAD_KEY_BYTES);
  cas = returnedCas();
  const value = returnedBytes();
  if (value !== 0 && returnedSize() === offsetof<Head>())
    memory.copy(bytes, value, offsetof<Head>());
  else memory.fill(bytes, 0, offsetof<Head>());
  release(value);
  return status;
}

/** Reports whether another push holds the head that was read. */
export function isTaken(): bool {
  return head().takenAt !== 0 && now() - head().takenAt < LEASE_NANOSECONDS;
}

function writeHead(): u32 {
  return writeShared(headKey(), HEAD_KEY_BYTES, bytes, offsetof<Head>(), cas);
}

/**
 * Takes the head that was read. STATUS_CAS_MISMATCH when it has changed since; then read the head
 * again.
 */
export function takeHead(): u32 {
  const stamp = head().stamp + 1;
  head().version = 0;
  head().takenAt = max<u64>(now(), 1);
  head().stamp = stamp;
  let status = writeHead();
  if (status !== STATUS_OK) return status;
  // Only a read returns the new number.
  status = readHead();
  if (status !== STATUS_OK) return status;
  return head().stamp === stamp ? STATUS_OK : STATUS_BROKEN;
}

/** Releases the head, with the present values of its fields. */
export function settleHead(): u32 {
  head().takenAt = 0;
  const status = writeHead();
  return status === STATUS_CAS_MISMATCH ? STATUS_BROKEN : status;
}
