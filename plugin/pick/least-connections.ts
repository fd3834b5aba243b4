// Balancing "least-connections": of two backends drawn at random, the one with fewer open
// connections of Services with this balancing, as plugin/load counts them over all workers. Two
// draws come close to the least loaded of all (Mitzenmacher 2001), and workers that know the same
// do not all run to one backend.

import { STATUS_OK } from "../abi/codes";
import { connectionsTo, learnOthers } from "../load/others";
import { backendBytes, backendCount, recordKey } from "../table/record";
import { BACKEND_IPV6_BYTES } from "../wire/layout";
import { below } from "./chance";
import { isLeftOut } from "./left-out";
import { copyBackend } from "./list";

const one: usize = memory.data(BACKEND_IPV6_BYTES);
const other: usize = memory.data(BACKEND_IPV6_BYTES);

/** Proposes the one with fewer; of two that are alike, either. */
export function proposeLessLoaded(record: usize): u32 {
  const count = backendCount(record);
  const first = below(count);
  if (count === 1) return first;
  const drawn = below(count - 1);
  const second = drawn < first ? drawn : drawn + 1;
  if (copyBackend(record, first, one) !== STATUS_OK) return first;
  if (copyBackend(record, second, other) !== STATUS_OK) return first;
  if (isLeftOut(record, one)) return second;
  if (isLeftOut(record, other)) return first;
  learnOthers();
  const bytes = backendBytes(recordKey(record));
  return connectionsTo(other, bytes) < connectionsTo(one, bytes) ? second : first;
}
