// Balancing "round-robin": each list has its turn, which goes on where it was when backends come or
// go. The turn is this VM's own, and begins at some place: workers do not go in step. A turn may be
// lost, and begins again, when other lists need its place.

import { allocate } from "../abi/memory";
import { backendCount, bucketOfKey, recordKey, sameKey } from "../table/record";
import { KEY_BYTES } from "../wire/layout";
import { below } from "./chance";

/** A power of two; 12 KB, from the first use. */
const PLACES: u32 = 512;
//    0     20
//   +-----+-------+
//   | key | next  |   next: index
//   | 20  | u32   |
//   +-----+-------+
const NEXT_OFFSET: u32 = KEY_BYTES;
const PLACE_BYTES: u32 = 24;

let places: usize = 0;

function placeOf(key: usize): usize {
  if (places === 0) {
    places = allocate(PLACES * PLACE_BYTES);
    // No key has family 0.
    memory.fill(places, 0, PLACES * PLACE_BYTES);
  }
  return places + (bucketOfKey(key) & (PLACES - 1)) * PLACE_BYTES;
}

/** Proposes the one after the last proposal. */
export function proposeNext(record: usize): u32 {
  const key = recordKey(record);
  const count = backendCount(record);
  const place = placeOf(key);
  if (!sameKey(place, key)) {
    memory.copy(place, key, KEY_BYTES);
    store<u32>(place + NEXT_OFFSET, below(count));
  }
  const next = load<u32>(place + NEXT_OFFSET);
  const index = next < count ? next : 0;
  store<u32>(place + NEXT_OFFSET, index + 1);
  return index;
}
