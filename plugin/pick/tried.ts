// The backends that the connection which gets another one has tried: no pick takes one of them
// while the list has others. When it has none, any but the last will do, and the others count as
// untried again. Empty during a connection's first pick.
//
//    0        4
//   +--------+----------------------------------------------+
//   | count  | FNV-1a of address and port, u32, oldest first |   at most MOST_TRIED of them
//   | u32    |                                              |
//   +--------+----------------------------------------------+

import { backendHash } from "../table/backends";

/** As many as Envoy makes attempts. */
export const MOST_TRIED: u32 = 10;
const HASHES_OFFSET: u32 = 4;
const HASH_BYTES: u32 = 4;
export const TRIED_BYTES: u32 = HASHES_OFFSET + MOST_TRIED * HASH_BYTES;

/** Of the connection for which the next pick is; 0 for one that has tried none. */
let avoided: usize = 0;

function hashAt(tried: usize, index: u32): usize {
  return tried + HASHES_OFFSET + index * HASH_BYTES;
}

function contains(tried: usize, hash: u32): bool {
  const count = load<u32>(tried);
  for (let i: u32 = 0; i < count; i++) if (load<u32>(hashAt(tried, i)) === hash) return true;
  return false;
}

/** Adds a backend of `bytes`, its flags included; the oldest goes when there is no room. */
export function addTried(tried: usize, backend: usize, bytes: u32): void {
  const hash = backendHash(backend, bytes);
  if (contains(tried, hash)) return;
  const count = min(load<u32>(tried), MOST_TRIED - 1);
  if (load<u32>(tried) === MOST_TRIED) {
    memory.copy(hashAt(tried, 0), hashAt(tried, 1), count * HASH_BYTES);
  }
  store<u32>(hashAt(tried, count), hash);
  store<u32>(tried, count + 1);
}

/** Has picks avoid these (TRIED_BYTES) from now on; 0 for none. */
export function avoidTried(tried: usize): void {
  avoided = tried;
}

/** Returns how many backends the next pick avoids. */
export function avoidedCount(): u32 {
  return avoided === 0 ? 0 : load<u32>(avoided);
}

/** Reports whether the next pick avoids a backend of `bytes`, its flags included. */
export function isAvoided(backend: usize, bytes: u32): bool {
  return avoidedCount() !== 0 && contains(avoided, backendHash(backend, bytes));
}

/** Forgets all but the last, or the last too if it is the only one; there is at least one. */
export function avoidFewer(): void {
  const count = avoidedCount();
  store<u32>(hashAt(avoided, 0), load<u32>(hashAt(avoided, count - 1)));
  store<u32>(avoided, count > 1 ? 1 : 0);
}
