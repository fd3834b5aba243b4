// A record of the table → one of its backends: any, or a given one if it is listed. For a
// connection that gets another backend, "any" means one that it has not tried (tried.ts); and one
// that is not ejected (ejected.ts), if that leaves any.

import { STATUS_NOT_FOUND, STATUS_OK } from "../abi/codes";
import { findBackend } from "../table/backends";
import { findChunkedBackend, readChunkedBackend } from "../table/chunks";
import {
  backendBytes,
  backendCount,
  isChunked,
  keyFamily,
  namedFunction,
  recordKey,
} from "../table/record";
import { BACKEND_IPV6_BYTES, RECORD_HEADER_BYTES } from "../wire/layout";
import { indexByFunction, NO_INDEX } from "./by-function";
import { below } from "./chance";
import { heedNone, isEjected, skippedCount } from "./ejected";
import { avoidedCount, avoidFewer, isAvoided } from "./tried";

/** Draws for a backend that is not left out, before the list is searched from some place. */
const DRAWS: u32 = 8;

const picked: usize = memory.data(BACKEND_IPV6_BYTES);

/** Returns the picked backend: address (4 or 16 bytes) and port, in network order, and flags. */
export function pickedBackend(): usize {
  return picked;
}

function pickAt(record: usize, index: u32): u32 {
  if (isChunked(record)) return readChunkedBackend(record, index, picked);
  const bytes = backendBytes(recordKey(record));
  memory.copy(picked, record + RECORD_HEADER_BYTES + index * bytes, bytes);
  return STATUS_OK;
}

/** Reports whether the present pick leaves out the backend in pickedBackend. */
export function isLeftOut(record: usize): bool {
  const key = recordKey(record);
  return isAvoided(picked, backendBytes(key)) || isEjected(keyFamily(key), picked);
}

/** Picks one not left out: by chance, else the next from `start`; STATUS_NOT_FOUND for none. */
function pickLeft(record: usize, start: u32): u32 {
  const count = backendCount(record);
  // Among one more than are left out, one is not.
  const steps = DRAWS + min(count, avoidedCount() + skippedCount() + 1);
  for (let i: u32 = 0; i < steps; i++) {
    const index = i < DRAWS ? below(count) : (start + i) % count;
    const status = pickAt(record, index);
    if (status !== STATUS_OK || !isLeftOut(record)) return status;
  }
  return STATUS_NOT_FOUND;
}

/** Picks as the record's function says; STATUS_NOT_FOUND for none, or one that is left out. */
function pickByFunction(record: usize): u32 {
  const index = indexByFunction(record);
  if (index === NO_INDEX) return STATUS_NOT_FOUND;
  const status = pickAt(record, index);
  return status === STATUS_OK && isLeftOut(record) ? STATUS_NOT_FOUND : status;
}

/** Picks among the record's backends, at least one; returns a status. */
export function pickAny(record: usize): u32 {
  if (namedFunction(record) !== 0) {
    const status = pickByFunction(record);
    if (status !== STATUS_NOT_FOUND) return status;
  }
  return pickUniformly(record);
}

function pickUniformly(record: usize): u32 {
  if (avoidedCount() + skippedCount() === 0) return pickAt(record, below(backendCount(record)));
  const status = pickLeft(record, below(backendCount(record)));
  if (status !== STATUS_NOT_FOUND) return status;
  // Ejected ones before those that this connection has tried.
  if (skippedCount() !== 0) heedNone();
  else avoidFewer();
  return pickUniformly(record);
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
