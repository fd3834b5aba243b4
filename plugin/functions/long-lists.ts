// Long lists of backends, whole, as this VM read them from their chunks: a function may look at
// each backend, and a read of shared data for each would cost more than anything else. A list is
// kept until its record has another stamp, or another list needs its place.

import { release } from "../abi/memory";
import { generation, hashBytes, recordKey, recordStamp, sameKey } from "../table/record";
import { copyList } from "../table/whole-list";
import { HASH_OFFSET_BASIS, KEY_BYTES } from "../wire/layout";

/** A power of two. So a VM keeps 10 MB at most, and 64 KB of lists with 1,000 backends. */
const PLACES: u32 = 8;

@unmanaged
class Place {
  /** Of the plugin's heap; 0 for no list. */
  list: usize;
  stamp: u32;
  generation: u32;
}

const places: usize = memory.data(PLACES * offsetof<Place>(), 8);
const keys: usize = memory.data(PLACES * KEY_BYTES);

/** Returns the backends of a chunked record; 0 when they cannot be read. */
export function longList(record: usize): usize {
  const index = hashBytes(recordKey(record), KEY_BYTES, HASH_OFFSET_BASIS) & (PLACES - 1);
  const place = changetype<Place>(places + index * offsetof<Place>());
  const key = keys + index * KEY_BYTES;
  const isKept =
    place.list !== 0 &&
    place.stamp === recordStamp(record) &&
    place.generation === generation(record) &&
    sameKey(key, recordKey(record));
  if (isKept) return place.list;
  release(place.list);
  place.stamp = recordStamp(record);
  place.generation = generation(record);
  memory.copy(key, recordKey(record), KEY_BYTES);
  place.list = copyList(record);
  return place.list;
}
