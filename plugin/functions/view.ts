// What a function sees while it picks: the record's backends, its frontend, and the connection's
// client, which is read from the host when it is first needed.

import { release, returnedSize } from "../abi/memory";
import { keyFromText } from "../host/address";
import { lastingProperty, readProperty } from "../host/property";
import { backendBytes, backendCount, isChunked, recordKey } from "../table/record";
import { KEY_BYTES, PROTOCOL_TCP, RECORD_HEADER_BYTES } from "../wire/layout";
import { longList } from "./long-lists";

const sourceAddress: usize = lastingProperty("source\0address");

let list: usize = 0;
let count: u32 = 0;
let bytes: u32 = 0;
let key: usize = 0;
/** The client in the form of a frontend's key; all zero when it is unknown. */
const client: usize = memory.data(KEY_BYTES);
let isClientRead: bool = false;

/** Starts a pick among the record's backends. False when they cannot be read. */
export function beginView(record: usize): bool {
  key = recordKey(record);
  count = backendCount(record);
  bytes = backendBytes(key);
  isClientRead = false;
  list = isChunked(record) ? longList(record) : record + RECORD_HEADER_BYTES;
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
  if (isClientRead) return client;
  isClientRead = true;
  const source = readProperty(sourceAddress);
  const isKnown = source !== 0 && keyFromText(source, returnedSize(), PROTOCOL_TCP, client);
  release(source);
  if (!isKnown) memory.fill(client, 0, KEY_BYTES);
  return client;
}
