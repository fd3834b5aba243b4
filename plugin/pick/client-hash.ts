// Balancing "client-hash": the client's address alone selects the backend, the same in all workers
// and on all nodes. Each backend has a score for each client, and the highest wins (rendezvous
// hashing, Thaler and Ravishankar 1998). When a backend leaves, its clients get others, and nobody
// else does; when one comes, it takes its share from all, and nobody else moves.
//
// That looks at all backends for each pick. What is kept of a long list is the number that each
// backend has by itself (table/identity.ts).

import { STATUS_OK } from "../abi/codes";
import { clientAddress, readClient } from "../host/client";
import { identityOf, mixed } from "../table/identity";
import { backendBytes, backendCount, isChunked, recordKey } from "../table/record";
import { workedOut } from "../table/whole-list";
import { BACKEND_IPV6_BYTES, BALANCING_CLIENT_HASH } from "../wire/layout";
import { below } from "./chance";
import { isLeftOut, leftOutCount } from "./left-out";
import { backendAt, copyBackend } from "./list";

const NUMBER_BYTES: u32 = 8;

function proposeInShort(record: usize, client: u64): u32 {
  const count = backendCount(record);
  const bytes = backendBytes(recordKey(record));
  const heeds = leftOutCount() !== 0;
  let best = count;
  let bestScore: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const backend = backendAt(record, i);
    const score = mixed(identityOf(backend, bytes) ^ client);
    if (best !== count && score <= bestScore) continue;
    if (heeds && isLeftOut(record, backend)) continue;
    best = i;
    bestScore = score;
  }
  return best;
}

/** A row of the backends' numbers. */
function workOutNumbers(list: usize, count: u32, bytes: u32, numbers: usize): void {
  for (let i: u32 = 0; i < count; i++) {
    store<u64>(numbers + i * NUMBER_BYTES, identityOf(list + i * bytes, bytes));
  }
}

const asked: usize = memory.data(BACKEND_IPV6_BYTES);

/** Reports it too of one that cannot be read. */
function isIndexLeftOut(record: usize, index: u32): bool {
  return copyBackend(record, index, asked) !== STATUS_OK || isLeftOut(record, asked);
}

function proposeInLong(record: usize, client: u64): u32 {
  const count = backendCount(record);
  const size = count * NUMBER_BYTES;
  const numbers = workedOut(record, BALANCING_CLIENT_HASH, size, workOutNumbers);
  if (numbers === 0) return count;
  const heeds = leftOutCount() !== 0;
  let best = count;
  let bestScore: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const score = mixed(load<u64>(numbers + i * NUMBER_BYTES) ^ client);
    if (best !== count && score <= bestScore) continue;
    if (heeds && isIndexLeftOut(record, i)) continue;
    best = i;
    bestScore = score;
  }
  return best;
}

/** Proposes the client's own; any when the host does not know the client. */
export function proposeByClient(record: usize): u32 {
  const client = readClient();
  if (client === 0) return below(backendCount(record));
  const address = clientAddress(client);
  const hash = mixed(mixed(load<u64>(address)) ^ load<u64>(address, 8));
  return isChunked(record) ? proposeInLong(record, hash) : proposeInShort(record, hash);
}
