// Session affinity by client address, as kube-proxy has it for "ClientIP": a client goes on with
// the backend of its last connection to the same ServicePort, whichever of its frontends it dials,
// until that lies longer back than the timeout. Each connection begins the time anew. A backend
// that is not in the list any more is forgotten, and another is picked.
//
// One truth for all workers: an entry is read and written by compare-and-set in shared data, which
// also outlives the code. What the host fails to remember is picked by chance, never refused.
//
// A client may have an entry for each list of the ServicePort: where its backend of the cluster
// list is not in the local one, it keeps both. An entry of the other list counts if its backend is
// in this one, so that all frontends agree where they can.

import { STATUS_CAS_MISMATCH, STATUS_NOT_FOUND, STATUS_OK } from "../abi/codes";
import { release, returnedBytes, returnedSize } from "../abi/memory";
import { affinityEvictedTotal } from "../counters";
import { keyFromText } from "../host/address";
import { steadyNow } from "../host/clock";
import { countMany } from "../host/counter";
import { readProperty } from "../host/property";
import { readShared, returnedCas, writeShared } from "../host/shared-data";
import { lastingAscii } from "../host/text";
import { AFFINITY_KEY_BYTES, affinityKey } from "../table/keys";
import {
  affinityTimeout,
  hashBytes,
  keyFamily,
  keyList,
  recordKey,
  servicePort,
} from "../table/record";
import {
  AFFINITY_BUCKET_COUNT,
  HASH_OFFSET_BASIS,
  KEY_ADDRESS_OFFSET,
  KEY_LIST_LOCAL,
  PROTOCOL_TCP,
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

const SOURCE = "source\0address";
const sourcePath: usize = lastingAscii(SOURCE);

/** So often may other workers write a bucket between our reading and writing it. */
const ATTEMPTS: u32 = 8;

/** The client as the key of a frontend: its address stands where a frontend's does. */
const client: usize = memory.data(20);
const session = changetype<Session>(memory.data(offsetof<Session>(), 8));

/** Takes the session of the connection that is being made; false when its client is unknown. */
function beginSession(record: usize): bool {
  const source = readProperty(sourcePath, SOURCE.length);
  const known = source !== 0 && keyFromText(source, returnedSize(), PROTOCOL_TCP, client);
  release(source);
  const family = keyFamily(recordKey(record));
  session.servicePort = servicePort(record);
  session.client = client + KEY_ADDRESS_OFFSET;
  session.family = family;
  return known && keyFamily(client) === family;
}

function sessionBucket(): u32 {
  const hash = hashBytes(changetype<usize>(session), 8, HASH_OFFSET_BASIS);
  return hashBytes(session.client, 16, hash) & (AFFINITY_BUCKET_COUNT - 1);
}

/** Picks the backend of the session's entry for a list. STATUS_NOT_FOUND when there is none. */
function pickRemembered(record: usize, bytes: usize, end: usize, list: u32, now: u64): u32 {
  const entry = findEntry(bytes, end, session, list, affinityTimeout(record), now);
  if (entry === 0) return STATUS_NOT_FOUND;
  const status = pickListed(record, entryBackend(entry));
  // It is this entry that is used again, and not one more that is made.
  if (status === STATUS_OK) session.list = entryList(entry);
  return status;
}

/** From the bucket's bytes: the own list's entry, or the other's; STATUS_NOT_FOUND for neither. */
function pickEither(record: usize, bytes: usize, end: usize, now: u64): u32 {
  const own = keyList(recordKey(record));
  session.list = own;
  const status = pickRemembered(record, bytes, end, own, now);
  if (status !== STATUS_NOT_FOUND) return status;
  return pickRemembered(record, bytes, end, own ^ KEY_LIST_LOCAL, now);
}

/** The same, or anyone. */
function pickFrom(record: usize, bytes: usize, end: usize, now: u64): u32 {
  const status = pickEither(record, bytes, end, now);
  return status === STATUS_NOT_FOUND ? pickAny(record) : status;
}

/** STATUS_CAS_MISMATCH: picked, but another worker wrote the bucket meanwhile. */
function pickOnce(record: usize, bucket: u32, now: u64): u32 {
  if (readShared(affinityKey(bucket), AFFINITY_KEY_BYTES) !== STATUS_OK) return pickAny(record);
  const bytes = returnedBytes();
  const end = bytes + returnedSize();
  const cas = returnedCas();
  let status = pickFrom(record, bytes, end, now);
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

/** Picks into pickedBackend for a record with an affinity timeout; answers a status. */
export function pickWithAffinity(record: usize): u32 {
  if (!beginSession(record)) return pickAny(record);
  const bucket = sessionBucket();
  const now = steadyNow();
  let status = STATUS_CAS_MISMATCH;
  for (let i: u32 = 0; i < ATTEMPTS && status === STATUS_CAS_MISMATCH; i++) {
    status = pickOnce(record, bucket, now);
  }
  return status === STATUS_CAS_MISMATCH ? STATUS_OK : status;
}

/**
 * For whoever asks, and changing nothing: the seconds within which the client has to come back to
 * go on with its backend, which is pickedBackend then; 0 when it has none. `from` is the client as
 * a key, as a frontend's.
 */
export function peekAffinity(record: usize, from: usize): u32 {
  session.servicePort = servicePort(record);
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
