// Buckets of the table → one SNAPSHOT frame in the form of a push: chunked lists back in their
// records, flags and stamps 0.

import { STATUS_BROKEN, STATUS_OK } from "../abi/codes";
import { allocate, release, returnedBytes, returnedSize } from "../abi/memory";
import { readShared } from "../host/shared-data";
import {
  FRAME_HEADER_BYTES,
  MAX_FRAME_BYTES,
  RECORD_BYTES_OFFSET,
  RECORD_FLAGS_OFFSET,
  RECORD_HEADER_BYTES,
  RECORD_STAMP_OFFSET,
} from "../wire/layout";
import { readChunks } from "./chunks";
import { writeSnapshotHeader } from "./frame";
import { head, readHead } from "./head";
import { BUCKET_KEY_BYTES, bucketKey } from "./keys";
import { firstRecord, frameBytes, isChunked, nameBytes, nextRecord, recordBytes } from "./record";

/** How often a list may be replaced between reading its record and its chunks. */
const ATTEMPTS: u32 = 8;
const FIRST_CAPACITY: u32 = 65536;

let page: usize = 0;
let pageBytes: u32 = 0;
let capacity: u32 = 0;
let upserts: u32 = 0;

/** Returns the frame that dumpBuckets made; free it with releasePage. */
export function dumpedPage(): usize {
  return page;
}

/** Returns the size of dumpedPage in bytes. */
export function dumpedBytes(): u32 {
  return pageBytes;
}

/** Frees the frame; also after dumpBuckets has failed. */
export function releasePage(): void {
  release(page);
  page = 0;
}

function reserve(bytes: u32): void {
  if (bytes <= capacity) return;
  capacity = max(bytes, capacity * 2);
  const larger = allocate(capacity);
  memory.copy(larger, page, pageBytes);
  release(page);
  page = larger;
}

/** Appends a record in the form of a frame. */
function addRecord(record: usize): u32 {
  const bytes = <u32>frameBytes(record);
  reserve(pageBytes + bytes);
  const copy = page + pageBytes;
  memory.copy(copy, record, RECORD_HEADER_BYTES);
  store<u32>(copy + RECORD_BYTES_OFFSET, bytes);
  store<u8>(copy + RECORD_FLAGS_OFFSET, 0);
  store<u32>(copy + RECORD_STAMP_OFFSET, 0);
  const names = nameBytes(record);
  memory.copy(copy + bytes - names, record + recordBytes(record) - names, names);
  const backends = bytes - names - RECORD_HEADER_BYTES;
  if (isChunked(record)) {
    const status = readChunks(record, copy + RECORD_HEADER_BYTES);
    if (status !== STATUS_OK) return status;
  } else {
    memory.copy(copy + RECORD_HEADER_BYTES, record + RECORD_HEADER_BYTES, backends);
  }
  pageBytes += bytes;
  upserts++;
  return STATUS_OK;
}

/** Appends a bucket's records, or none of them. */
function addBucketOnce(bucket: u32): u32 {
  let status = readShared(bucketKey(bucket), BUCKET_KEY_BYTES);
  if (status !== STATUS_OK) return status;
  const value = returnedBytes();
  const end = value + returnedSize();
  const bytesBefore = pageBytes;
  const upsertsBefore = upserts;
  let record = firstRecord(value, end);
  while (record < end && status === STATUS_OK) {
    status = addRecord(record);
    record = nextRecord(record, end);
  }
  release(value);
  if (status !== STATUS_OK) {
    pageBytes = bytesBefore;
    upserts = upsertsBefore;
  }
  return status;
}

function addBucket(bucket: u32): u32 {
  let status = STATUS_BROKEN;
  for (let i: u32 = 0; i < ATTEMPTS && status === STATUS_BROKEN; i++)
    status = addBucketOnce(bucket);
  return status;
}

/**
 * Makes the frame of the buckets from `first`, `count` of them or as many as fit into
 * MAX_FRAME_BYTES; its bucket count says how many. Its version is 0 when there is no complete
 * table, or when the table changed meanwhile. False when the host failed.
 */
export function dumpBuckets(first: u32, count: u32): bool {
  if (readHead() !== STATUS_OK) return false;
  const version = head().version;
  const stamp = head().stamp;
  page = allocate(FIRST_CAPACITY);
  capacity = FIRST_CAPACITY;
  pageBytes = FRAME_HEADER_BYTES;
  upserts = 0;
  let covered: u32 = 0;
  while (covered < count) {
    const bytesBefore = pageBytes;
    const upsertsBefore = upserts;
    if (addBucket(first + covered) !== STATUS_OK) return false;
    if (pageBytes > MAX_FRAME_BYTES) {
      pageBytes = bytesBefore;
      upserts = upsertsBefore;
      break;
    }
    covered++;
  }
  if (readHead() !== STATUS_OK) return false;
  const whole = head().stamp === stamp && head().version === version;
  writeSnapshotHeader(page, whole ? version : 0, first, covered, upserts);
  return true;
}
