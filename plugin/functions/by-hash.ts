// A number → one of the backends, the same as long as that one is listed (rendezvous hashing): when
// another comes or goes, only the numbers that lead to it change.

import { backendHash } from "../table/backends";
import { viewBackend, viewBackendBytes, viewCount } from "./view";

/** In one pick: each looks at all backends, which a function pays as one call. */
const MOST_HASH_PICKS: u32 = 4;

let left: u32 = 0;

/** A pick starts. */
export function beginHashPicks(): void {
  left = MOST_HASH_PICKS;
}

/** As murmur3's finalizer: every bit depends on all. */
function mixed(value: u32): u32 {
  value = (value ^ (value >> 16)) * 0x85ebca6b;
  value = (value ^ (value >> 13)) * 0xc2b2ae35;
  return value ^ (value >> 16);
}

/** Returns an index; -1 for more than MOST_HASH_PICKS in one pick. */
export function indexByHash(hash: u32): i32 {
  if (left === 0) return -1;
  left--;
  let best: i32 = -1;
  let most: u32 = 0;
  for (let i: u32 = 0; i < viewCount(); i++) {
    const weight = mixed(hash ^ backendHash(viewBackend(i), viewBackendBytes()));
    if (best >= 0 && weight <= most) continue;
    best = i;
    most = weight;
  }
  return best;
}
