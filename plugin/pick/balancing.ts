// A record → the index of the backend that its balancing proposes. Each balancing has its own file.
// What is proposed and left out (left-out.ts) is asked for again some times; then the list is
// searched.
//
// How to add one: a BALANCING_ in wire/layout.ts, its range in table/check-record.ts, a line here;
// then Balancing in controller/model/types.ts, and what tsc lists.

import { backendCount, balancing } from "../table/record";
import {
  BALANCING_CLIENT_HASH,
  BALANCING_FAILOVER,
  BALANCING_LEAST_CONNECTIONS,
  BALANCING_ROUND_ROBIN,
  BALANCING_WEIGHTED,
} from "../wire/layout";
import { below } from "./chance";
import { proposeByClient } from "./client-hash";
import { proposePreferred } from "./failover";
import { proposeLessLoaded } from "./least-connections";
import { proposeNext } from "./round-robin";
import { proposeByWeight } from "./weighted";

/** Returns the index; the record has backends. */
export function proposeIndex(record: usize): u32 {
  switch (balancing(record)) {
    case BALANCING_LEAST_CONNECTIONS:
      return proposeLessLoaded(record);
    case BALANCING_ROUND_ROBIN:
      return proposeNext(record);
    case BALANCING_CLIENT_HASH:
      return proposeByClient(record);
    case BALANCING_WEIGHTED:
      return proposeByWeight(record);
    case BALANCING_FAILOVER:
      return proposePreferred(record);
    default:
      return below(backendCount(record));
  }
}
