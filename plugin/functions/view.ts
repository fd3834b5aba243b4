// What a function sees while it picks: the record's backends, its frontend, and the connection's
// client and what other VMs have, which are read from the host when they are first needed.

import { readClient } from "../host/client";
import { connectionsTo, learnOthers } from "../load/others";
import { backendAt } from "../pick/list";
import { backendBytes, backendCount, isChunked, recordKey } from "../table/record";
import { FOR_FUNCTIONS, workedOut } from "../table/whole-list";
import { KEY_BYTES } from "../wire/layout";

let list: usize = 0;
let count: u32 = 0;
let bytes: u32 = 0;
let key: usize = 0;
/** In the place of a client that is unknown. */
const nobody: usize = memory.data(KEY_BYTES);
/** The client in the form of a frontend's key; 0 before it is read. */
let client: usize = 0;
let hasLearnt: bool = false;

function copyAll(from: usize, size: u32, backendSize: u32, out: usize): void {
  memory.copy(out, from, size * backendSize);
}

/** Returns the backends of a long list, which are in chunks; 0 when they cannot be read. */
function longList(record: usize): usize {
  return workedOut(record, FOR_FUNCTIONS, count * bytes, copyAll);
}

/** Starts a pick among the record's backends. False when they cannot be read. */
export function beginView(record: usize): bool {
  key = recordKey(record);
  count = backendCount(record);
  bytes = backendBytes(key);
  client = 0;
  hasLearnt = false;
  list = isChunked(record) ? longList(record) : backendAt(record, 0);
  return list !== 0;
}

/** Returns how many backends there are. */
export function viewCount(): u32 {
  return count;
}

/** Returns the size of a backend. */
export function viewBackendBytes(): u32 {
  return bytes;
}

/** Returns the backend at an index; 0 when there is none. */
export function viewBackend(index: i32): usize {
  return <u32>index < count ? list + <u32>index * bytes : 0;
}

/** Returns the frontend's key. */
export function viewFrontend(): usize {
  return key;
}

/** Returns the client in the form of a frontend's key; all zero when it is unknown. */
export function viewClient(): usize {
  if (client === 0) client = readClient();
  if (client === 0) client = nobody;
  return client;
}

/** Returns the open connections of a backend of the list, of all VMs as this one knows them. */
export function viewConnections(backend: usize): u32 {
  if (!hasLearnt) learnOthers();
  hasLearnt = true;
  return connectionsTo(backend, bytes);
}
