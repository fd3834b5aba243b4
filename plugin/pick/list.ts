// The backends of a record by their index, wherever they are.

import { STATUS_OK } from "../abi/codes";
import { readChunkedBackend } from "../table/chunks";
import { backendBytes, isChunked, recordKey } from "../table/record";
import { RECORD_HEADER_BYTES } from "../wire/layout";

/** Returns the address of a backend of a list that is not in chunks. */
export function backendAt(record: usize, index: u32): usize {
  return record + RECORD_HEADER_BYTES + index * backendBytes(recordKey(record));
}

/** Copies a backend of the list, by its index; returns a status. */
export function copyBackend(record: usize, index: u32, out: usize): u32 {
  if (isChunked(record)) return readChunkedBackend(record, index, out);
  memory.copy(out, backendAt(record, index), backendBytes(recordKey(record)));
  return STATUS_OK;
}
