// The head of the table: which version it has, and who is changing it. Its compare-and-set number
// keeps two pushes on two workers apart. Whoever applies a frame takes the head first (version 0,
// "no whole table") and settles it after; a VM that dies in between leaves version 0, and the
// controller answers that with a snapshot.

import { STATUS_BROKEN, STATUS_CAS_MISMATCH, STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { now } from "../host/clock";
import { readShared, returnedCas, writeShared } from "../host/shared-data";
import { HEAD_KEY_BYTES, headKey } from "./keys";

/** As it stands in shared data. */
@unmanaged
export class Head {
  /** 0 while there is no whole table. */
  version: u64;
  /** Version of the snapshot that is being loaded; 0 when none is. */
  loadingVersion: u64;
  /** When it was taken (ns since 1970); 0 when nobody holds it. */
  takenAt: u64;
  /** First bucket that the snapshot being loaded has not covered yet. */
  nextBucket: u32;
  frontendCount: u32;
  /** Frontends in the frames of the snapshot being loaded so far. */
  loadingCount: u32;
  /** Grows with every taking: the stamp of the lists that this push writes. */
  stamp: u32;
}

/** A push that takes longer than this is dead, or else nobody could ever push again. */
const LEASE_NANOSECONDS: u64 = 1000000000;

const bytes: usize = memory.data(offsetof<Head>(), 8);
let cas: u32 = 0;

/** The head as it was read last. */
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

/** Whether another push holds the head that was read. */
export function isTaken(): bool {
  return head().takenAt !== 0 && now() - head().takenAt < LEASE_NANOSECONDS;
}

function writeHead(): u32 {
  return writeShared(headKey(), HEAD_KEY_BYTES, bytes, offsetof<Head>(), cas);
}

/**
 * Takes the head that was read, as it is there then. STATUS_CAS_MISMATCH when it has changed since;
 * the head is then to be read again.
 */
export function takeHead(): u32 {
  const stamp = head().stamp + 1;
  head().version = 0;
  head().takenAt = max<u64>(now(), 1);
  head().stamp = stamp;
  let status = writeHead();
  if (status !== STATUS_OK) return status;
  // The host tells the new number only to a reader.
  status = readHead();
  if (status !== STATUS_OK) return status;
  return head().stamp === stamp ? STATUS_OK : STATUS_BROKEN;
}

/** Gives the head back, with the values that its fields have now. */
export function settleHead(): u32 {
  head().takenAt = 0;
  const status = writeHead();
  return status === STATUS_CAS_MISMATCH ? STATUS_BROKEN : status;
}
