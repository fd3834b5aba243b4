// A record of the table → one of its backends: the one that its balancing proposes, or a given one
// if it is listed. A balancing only proposes an index: what is picked is always in the list, and is
// not left out (left-out.ts) while the list has others.

import { STATUS_NOT_FOUND, STATUS_OK } from "../abi/codes";
import { findBackend } from "../table/backends";
import { findChunkedBackend } from "../table/chunks";
import { backendBytes, backendCount, isChunked, namedFunction, recordKey } from "../table/record";
import { BACKEND_IPV6_BYTES } from "../wire/layout";
import { proposeIndex } from "./balancing";
import { indexByFunction, NO_INDEX } from "./by-function";
import { below } from "./chance";
import { isLeftOut, leaveOutFewer, leftOutCount } from "./left-out";
import { backendAt, copyBackend } from "./list";

/** Proposals that may be left out, before the list is searched for another from some place. */
const PROPOSALS: u32 = 8;

const picked: usize = memory.data(BACKEND_IPV6_BYTES);

/** Returns the picked backend: address (4 or 16 bytes) and port, in network order, and flags. */
export function pickedBackend(): usize {
  return picked;
}

/** Picks the backend with this index, or any if the list has none. */
function pickAt(record: usize, index: u32): u32 {
  const count = backendCount(record);
  if (index >= count) index = below(count);
  return copyBackend(record, index, picked);
}

/** Picks one that is not left out: as proposed, else from `start` on; STATUS_NOT_FOUND for none. */
function pickLeft(record: usize, start: u32): u32 {
  const count = backendCount(record);
  // Among one more than are left out, one is not.
  const steps = PROPOSALS + min(count, leftOutCount() + 1);
  for (let i: u32 = 0; i < steps; i++) {
    const index = i < PROPOSALS ? proposeIndex(record) : (start + i) % count;
    const status = pickAt(record, index);
    if (status !== STATUS_OK || !isLeftOut(record, picked)) return status;
  }
  return STATUS_NOT_FOUND;
}

/** Picks as the record's function says; STATUS_NOT_FOUND for none, or one that is left out. */
function pickByFunction(record: usize): u32 {
  const index = indexByFunction(record);
  if (index === NO_INDEX) return STATUS_NOT_FOUND;
  const status = pickAt(record, index);
  return status === STATUS_OK && isLeftOut(record, picked) ? STATUS_NOT_FOUND : status;
}

function pickProposed(record: usize): u32 {
  if (leftOutCount() === 0) return pickAt(record, proposeIndex(record));
  const status = pickLeft(record, below(backendCount(record)));
  if (status !== STATUS_NOT_FOUND) return status;
  leaveOutFewer();
  return pickProposed(record);
}

/** Picks one of the record's backends, at least one, by its balancing; returns a status. */
export function pickAny(record: usize): u32 {
  if (namedFunction(record) !== 0) {
    const status = pickByFunction(record);
    if (status !== STATUS_NOT_FOUND) return status;
  }
  return pickProposed(record);
}

/** Picks the backend with this address and port; STATUS_NOT_FOUND when it is not listed. */
export function pickListed(record: usize, wanted: usize): u32 {
  if (isChunked(record)) return findChunkedBackend(record, wanted, picked);
  const bytes = backendBytes(recordKey(record));
  const backend = findBackend(backendAt(record, 0), backendCount(record), bytes, wanted);
  if (backend === 0) return STATUS_NOT_FOUND;
  memory.copy(picked, backend, bytes);
  return STATUS_OK;
}
