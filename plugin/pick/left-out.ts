// Which backends of a list the present pick leaves out, while the list has others: those that the
// connection has tried (tried.ts), and those that are ejected (ejected.ts).

import { backendBytes, keyFamily, recordKey } from "../table/record";
import { heedNone, isEjected, skippedCount } from "./ejected";
import { avoidedCount, avoidFewer, isAvoided } from "./tried";

/** Returns how many backends may be left out; 0 for none. */
export function leftOutCount(): u32 {
  return avoidedCount() + skippedCount();
}

/** Reports whether a backend of the record's list is left out. */
export function isLeftOut(record: usize, backend: usize): bool {
  const key = recordKey(record);
  return isAvoided(backend, backendBytes(key)) || isEjected(keyFamily(key), backend);
}

/** All are left out: has the pick leave out fewer of them. */
export function leaveOutFewer(): void {
  // Ejected ones before those that this connection has tried.
  if (skippedCount() !== 0) heedNone();
  else avoidFewer();
}
