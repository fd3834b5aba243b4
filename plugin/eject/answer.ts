// The entries as the controller gets them: a header with the present time, and the row of shared
// data.

import {
  EJECT_ENTRY_BYTES,
  EJECT_HEADER_BYTES,
  EJECT_MAGIC,
  EJECT_NOW_OFFSET,
  EJECT_VERSION,
  EJECT_VERSION_OFFSET,
  MOST_EJECTED,
} from "../wire/eject-layout";
import { entriesRow, entryCount, refreshEntries } from "./entries";

const answer: usize = memory.data(EJECT_HEADER_BYTES + MOST_EJECTED * EJECT_ENTRY_BYTES, 8);

/** Makes the answer, of ejectedAnswerBytes, valid until the next call; 0 when the host fails. */
export function ejectedAnswer(now: u64): usize {
  if (!refreshEntries(now)) return 0;
  store<u32>(answer, EJECT_MAGIC);
  store<u32>(answer + EJECT_VERSION_OFFSET, EJECT_VERSION);
  store<u64>(answer + EJECT_NOW_OFFSET, now);
  memory.copy(answer + EJECT_HEADER_BYTES, entriesRow(), entryCount() * EJECT_ENTRY_BYTES);
  return answer;
}

/** Returns the size of the answer that was made last. */
export function ejectedAnswerBytes(): u32 {
  return EJECT_HEADER_BYTES + entryCount() * EJECT_ENTRY_BYTES;
}
