// Session affinity by client address, as in kube-proxy for "ClientIP": a client keeps the backend
// of its last connection to the same ServicePort, whichever of its frontends it dials, until that
// connection is older than the timeout. Each connection restarts the time. A backend that is no
// longer in the list is forgotten, and another is picked.
//
// All workers agree: an entry is read and written by compare-and-set in shared data, which also
// outlives the code. What the host fails to remember is picked at random, never refused.
//
// A client may have an entry for each list of the ServicePort: where its backend of the cluster
// list is not in the local one, it keeps both. An entry of the other list counts if its backend is
// in this one, so that all frontends agree where they can.
//
// An entry whose backend does not accept moves to the backend that the connection gets instead, and
// back if that one was not needed (rememberListed). An entry whose backend is ejected moves too: it
// would not accept, and the wait would be in vain.

import { STATUS_CAS_MISMATCH, STATUS_NOT_FOUND, STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { affinityEvictedTotal } from "../counters";
import { clientAddress, readClient } from "../host/client";
import { steadyNow } from "../host/clock";
import { countMany } from "../host/counter";
import { readShared, returnedCas, writeShared } from "../host/shared-data";
import { AFFINITY_KEY_BYTES, affinityKey } from "../table/keys";
import {
  affinityTimeout,
  hashBytes,
  keyFamily,
  keyList,
  recordKey,
  serviceId,
} from "../table/record";
import {
  AFFINITY_BUCKET_COUNT,
  HASH_OFFSET_BASIS,
  KEY_ADDRESS_OFFSET,
  KEY_LIST_LOCAL,
} from "../wire/layout";
import {
  bucketBytes,
  bucketSize,
  entryBackend,
  entryList,
  evictedEntries,
  findEntry,
  Session,
  secondsLeft,
  writeBucket,
} from "./affinity-bucket";
import { pickAny, pickedBackend, pickListed } from "./backend";
import { isLeftOut } from "./left-out";

/** How often other workers may write a bucket between reading and writing it here. */
const ATTEMPTS: u32 = 8;

const session = changetype<Session>(memory.data(offsetof<Session>(), 8));

/** Starts the session of the new connection; false when its client is unknown. */
function beginSession(record: usize): bool {
  const client = readClient();
  session.serviceId = serviceId(record);
  session.client = clientAddress(client);
  session.family = keyFamily(recordKey(record));
  return client !== 0 && keyFamily(client) === session.family;
}

function sessionBucket(): u32 {
  const hash = hashBytes(changetype<usize>(session), 8, HASH_OFFSET_BASIS);
  return hashBytes(session.client, 16, hash) & (AFFINITY_BUCKET_COUNT - 1);
}

/** Picks the backend of the session's entry for a list. STATUS_NOT_FOUND when none may be used. */
function pickRemembered(record: usize, bytes: usize, end: usize, list: u32, now: u64): u32 {
  const entry = findEntry(bytes, end, session, list, affinityTimeout(record), now);
  if (entry === 0) return STATUS_NOT_FOUND;
  const status = pickListed(record, entryBackend(entry));
  if (status === STATUS_OK && isLeftOut(record, pickedBackend())) return STATUS_NOT_FOUND;
  // Reuse this entry, and do not make another one.
  if (status === STATUS_OK) session.list = entryList(entry);
  return status;
}

/** Picks by the own list's entry, or the other's, in the bucket; STATUS_NOT_FOUND for neither. */
function pickEither(record: usize, bytes: usize, end: usize, now: u64): u32 {
  const own = keyList(recordKey(record));
  session.list = own;
  const status = pickRemembered(record, bytes, end, own, now);
  if (status !== STATUS_NOT_FOUND) return status;
  return pickRemembered(record, bytes, end, own ^ KEY_LIST_LOCAL, now);
}

/** Does the same, or picks any backend; only `wanted`, if it is not 0. */
function pickForSession(record: usize, wanted: usize, bytes: usize, end: usize, now: u64): u32 {
  if (wanted !== 0) {
    session.list = keyList(recordKey(record));
    return pickListed(record, wanted);
  }
  const status = pickEither(record, bytes, end, now);
  return status === STATUS_NOT_FOUND ? pickAny(record) : status;
}

/** Returns STATUS_CAS_MISMATCH when another worker wrote the bucket meanwhile. */
function pickAndRemember(record: usize, wanted: usize, bucket: u32, now: u64): u32 {
  if (readShared(affinityKey(bucket), AFFINITY_KEY_BYTES) !== STATUS_OK) {
    return wanted === 0 ? pickAny(record) : STATUS_NOT_FOUND;
  }
  const bytes = returnedBytes();
  const end = bytes + returnedSize();
  const cas = returnedCas();
  let status = pickForSession(record, wanted, bytes, end, now);
  if (status === STATUS_OK) {
    writeBucket(bytes, end, session, pickedBackend(), affinityTimeout(record), now);
    const key = affinityKey(bucket);
    const wrote = writeShared(key, AFFINITY_KEY_BYTES, bucketBytes(), bucketSize(), cas);
    if (wrote === STATUS_CAS_MISMATCH) status = wrote;
    else if (wrote === STATUS_OK) countMany(affinityEvictedTotal, evictedEntries());
  }
  release(bytes);
  return status;
}

function pickForClient(record: usize, wanted: usize): u32 {
  const bucket = sessionBucket();
  const now = steadyNow();
  let status = STATUS_CAS_MISMATCH;
  for (let i: u32 = 0; i < ATTEMPTS && status === STATUS_CAS_MISMATCH; i++) {
    status = pickAndRemember(record, wanted, bucket, now);
  }
  return status === STATUS_CAS_MISMATCH ? STATUS_OK : status;
}

/** Picks into pickedBackend for a record with an affinity timeout; returns a status. */
export function pickWithAffinity(record: usize): u32 {
  return beginSession(record) ? pickForClient(record, 0) : pickAny(record);
}

/** Has the present connection's client keep this backend, if the record lists it. */
export function rememberListed(record: usize, backend: usize): void {
  if (beginSession(record)) pickForClient(record, backend);
}

/**
 * Returns the seconds within which the client must come back to keep its backend, which is then in
 * pickedBackend; 0 when it has none. Changes nothing. `from` is the client in the form of a
 * frontend's key.
 */
export function peekAffinity(record: usize, from: usize): u32 {
  session.serviceId = serviceId(record);
  session.client = from + KEY_ADDRESS_OFFSET;
  session.family = keyFamily(recordKey(record));
  if (keyFamily(from) !== session.family) return 0;
  if (readShared(affinityKey(sessionBucket()), AFFINITY_KEY_BYTES) !== STATUS_OK) return 0;
  const bytes = returnedBytes();
  const end = bytes + returnedSize();
  const now = steadyNow();
  const timeout = affinityTimeout(record);
  let seconds: u32 = 0;
  if (pickEither(record, bytes, end, now) === STATUS_OK) {
    const entry = findEntry(bytes, end, session, session.list, timeout, now);
    seconds = secondsLeft(entry, timeout, now);
  }
  release(bytes);
  return seconds;
}
