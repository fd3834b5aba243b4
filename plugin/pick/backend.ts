// A record of the table → one of its backends: any, or a certain one if it is listed.

import { STATUS_NOT_FOUND, STATUS_OK } from "../abi/codes";
import { findBackend } from "../table/backends";
import { findChunkedBackend, readChunkedBackend } from "../table/chunks";
import { backendBytes, backendCount, isChunked, recordKey } from "../table/record";
import { RECORD_HEADER_BYTES } from "../wire/layout";
import { below } from "./chance";

const picked: usize = memory.data(20);

/** The backend that was picked: address (4 or 16 bytes) and port, in network order, and flags. */
export function pickedBackend(): usize {
  return picked;
}

/** Picks uniformly among the record's backends, which must be some; answers a status. */
export function pickAny(record: usize): u32 {
  const index = below(backendCount(record));
  if (isChunked(record)) return readChunkedBackend(record, index, picked);
  const bytes = backendBytes(recordKey(record));
  memory.copy(picked, record + RECORD_HEADER_BYTES + index * bytes, bytes);
  return STATUS_OK;
}

/** Picks the backend with this address and port; STATUS_NOT_FOUND when it is not listed. */
export function pickListed(record: usize, wanted: usize): u32 {
  if (isChunked(record)) return findChunkedBackend(record, wanted, picked);
  const bytes = backendBytes(recordKey(record));
  const list = record + RECORD_HEADER_BYTES;
  const backend = findBackend(list, backendCount(record), bytes, wanted);
  if (backend === 0) return STATUS_NOT_FOUND;
  memory.copy(picked, backend, bytes);
  return STATUS_OK;
}
