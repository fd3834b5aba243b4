// Long lists of backends in chunks: values of their own in shared data, so that a connection
// copies one chunk and not the whole list.
//
//    0         4
//   +---------+--------------------------------+
//   | stamp   | backends, CHUNK_BACKENDS or,   |
//   | u32     | in the last chunk, the rest    |
//   +---------+--------------------------------+
//
// To replace a list: write the chunks of the other generation, then the record that names them,
// then empty the old ones. A reader that finds another stamp than in its record has read an old
// record, and reads it again.

import { STATUS_BROKEN, STATUS_NOT_FOUND, STATUS_OK } from "../abi/codes";
import { allocate, release, returnedBytes, returnedSize } from "../abi/memory";
import { ANY_CAS, readShared, writeShared } from "../host/shared-data";
import { BACKEND_IPV6_BYTES } from "../wire/layout";
import { compareBackends, findBackend } from "./backends";
import { CHUNK_KEY_BYTES, chunkKey } from "./keys";
import { backendBytes, backendCount, generation, recordKey, recordStamp } from "./record";

export const CHUNK_BACKENDS: u32 = 128;
const STAMP_BYTES: u32 = 4;

function chunkCount(record: usize): u32 {
  return (backendCount(record) + CHUNK_BACKENDS - 1) / CHUNK_BACKENDS;
}

/** Returns the number of backends in a chunk of a list. */
function chunkSize(record: usize, chunk: u32): u32 {
  return min(backendCount(record) - chunk * CHUNK_BACKENDS, CHUNK_BACKENDS);
}

/** Writes the backends of `record` (stored form) under its generation and stamp. */
export function writeChunks(record: usize, backends: usize): u32 {
  const key = recordKey(record);
  const bytes = backendBytes(key);
  const value = allocate(STAMP_BYTES + CHUNK_BACKENDS * bytes);
  store<u32>(value, recordStamp(record));
  let status = STATUS_OK;
  for (let i: u32 = 0; i < chunkCount(record) && status === STATUS_OK; i++) {
    const size = chunkSize(record, i) * bytes;
    memory.copy(value + STAMP_BYTES, backends + i * CHUNK_BACKENDS * bytes, size);
    const chunk = chunkKey(key, generation(record), i);
    status = writeShared(chunk, CHUNK_KEY_BYTES, value, STAMP_BYTES + size, ANY_CAS);
  }
  release(value);
  return status;
}

/** Frees the chunks of a record that is no longer in the table. */
export function emptyChunks(record: usize): void {
  const count = chunkCount(record);
  for (let i: u32 = 0; i < count; i++) {
    const chunk = chunkKey(recordKey(record), generation(record), i);
    writeShared(chunk, CHUNK_KEY_BYTES, 0, 0, ANY_CAS);
  }
}

/**
 * Copies a chunk's backends (chunkSize) to `out`. STATUS_BROKEN when the chunk is not, or no
 * longer, the record's.
 */
function readChunk(record: usize, chunk: u32, first: u32, count: u32, out: usize): u32 {
  const status = readShared(
    chunkKey(recordKey(record), generation(record), chunk),
    CHUNK_KEY_BYTES,
  );
  if (status !== STATUS_OK) return status;
  const value = returnedBytes();
  const bytes = backendBytes(recordKey(record));
  const whole = returnedSize() === STAMP_BYTES + chunkSize(record, chunk) * bytes;
  const meant = whole && load<u32>(value) === recordStamp(record);
  if (meant) memory.copy(out, value + STAMP_BYTES + first * bytes, count * bytes);
  release(value);
  return meant ? STATUS_OK : STATUS_BROKEN;
}

/** Copies one backend, by its index in the whole list. */
export function readChunkedBackend(record: usize, index: u32, out: usize): u32 {
  return readChunk(record, index / CHUNK_BACKENDS, index % CHUNK_BACKENDS, 1, out);
}

const searched: usize = memory.data(CHUNK_BACKENDS * BACKEND_IPV6_BYTES);

/**
 * Copies the backend with the address and port of `wanted`. STATUS_NOT_FOUND when the list does not
 * have it.
 */
export function findChunkedBackend(record: usize, wanted: usize, out: usize): u32 {
  const bytes = backendBytes(recordKey(record));
  let low: u32 = 0;
  let high = chunkCount(record);
  while (low < high) {
    const middle = (low + high) >> 1;
    const count = chunkSize(record, middle);
    const status = readChunk(record, middle, 0, count, searched);
    if (status !== STATUS_OK) return status;
    if (compareBackends(wanted, searched, bytes) < 0) {
      high = middle;
    } else if (compareBackends(wanted, searched + (count - 1) * bytes, bytes) > 0) {
      low = middle + 1;
    } else {
      const backend = findBackend(searched, count, bytes, wanted);
      if (backend === 0) return STATUS_NOT_FOUND;
      memory.copy(out, backend, bytes);
      return STATUS_OK;
    }
  }
  return STATUS_NOT_FOUND;
}

/** Copies the whole list, backendCount × backendBytes. */
export function readChunks(record: usize, out: usize): u32 {
  const bytes = backendBytes(recordKey(record));
  for (let i: u32 = 0; i < chunkCount(record); i++) {
    const at = out + i * CHUNK_BACKENDS * bytes;
    const status = readChunk(record, i, 0, chunkSize(record, i), at);
    if (status !== STATUS_OK) return status;
  }
  return STATUS_OK;
}
