// Key of a frontend → one of its backends, in one read of shared data (two for a long list).

import { STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { readShared } from "../host/shared-data";
import { below } from "../pick/chance";
import { RECORD_HEADER_BYTES } from "../wire/layout";
import { readChunkedBackend } from "./chunks";
import { BUCKET_KEY_BYTES, bucketKey } from "./keys";
import {
  backendBytes,
  backendCount,
  bucketOfKey,
  firstRecord,
  isChunked,
  nextRecord,
  recordKey,
  sameKey,
} from "./record";

export const PICKED: u32 = 0;
export const UNKNOWN_FRONTEND: u32 = 1;
export const NO_BACKEND: u32 = 2;
/** The host failed, or the list was replaced again and again while it was read. */
export const UNREADABLE: u32 = 3;

/** A list would have to be replaced this often between two reads. */
const ATTEMPTS: u32 = 8;

const picked: usize = memory.data(20);

/** The backend that pickBackend picked: address (4 or 16 bytes) and port, in network order. */
export function pickedBackend(): usize {
  return picked;
}

function pickFrom(record: usize): u32 {
  const count = backendCount(record);
  if (count === 0) return NO_BACKEND;
  const index = below(count);
  if (isChunked(record)) {
    const status = readChunkedBackend(record, index, picked);
    return status === STATUS_OK ? PICKED : UNREADABLE;
  }
  const bytes = backendBytes(recordKey(record));
  memory.copy(picked, record + RECORD_HEADER_BYTES + index * bytes, bytes);
  return PICKED;
}

function pickOnce(key: usize, bucket: u32): u32 {
  if (readShared(bucketKey(bucket), BUCKET_KEY_BYTES) !== STATUS_OK) return UNREADABLE;
  const value = returnedBytes();
  const end = value + returnedSize();
  let record = firstRecord(value, end);
  while (record !== end && !sameKey(recordKey(record), key)) record = nextRecord(record, end);
  const outcome = record === end ? UNKNOWN_FRONTEND : pickFrom(record);
  release(value);
  return outcome;
}

/** Picks uniformly among the frontend's backends, into pickedBackend. */
export function pickBackend(key: usize): u32 {
  const bucket = bucketOfKey(key);
  let outcome = UNREADABLE;
  for (let i: u32 = 0; i < ATTEMPTS && outcome === UNREADABLE; i++) outcome = pickOnce(key, bucket);
  return outcome;
}
