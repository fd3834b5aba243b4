// "?frontend=10.96.0.10:80&client=10.1.1.10:0&list=local" → the keys of a list of that frontend and
// of a client. Without a list it is the cluster list. TCP only, like session affinity here.

import { keyFromText } from "../host/address";
import { isText } from "../host/text";
import { keyFamily } from "../table/record";
import { KEY_BYTES, KEY_FAMILY_OFFSET, KEY_LIST_LOCAL, PROTOCOL_TCP } from "../wire/layout";

const QUESTION_MARK: u8 = 0x3f;
const AMPERSAND: u8 = 0x26;
const EQUALS: u8 = 0x3d;

const frontend: usize = memory.data(KEY_BYTES);
const client: usize = memory.data(KEY_BYTES);

/** Returns the address of the query's frontend, with its list. */
export function queriedFrontend(): usize {
  return frontend;
}

/** Returns the address of the query's client, as a key with the client's address. */
export function queriedClient(): usize {
  return client;
}

function find(at: usize, end: usize, byte: u8): usize {
  while (at < end && load<u8>(at) !== byte) at++;
  return at;
}

/** Returns false when one of the two is missing, their families differ, or it is invalid. */
export function parseSessionQuery(query: usize, end: usize): bool {
  memory.fill(frontend, 0, KEY_BYTES);
  memory.fill(client, 0, KEY_BYTES);
  let list: u32 = 0;
  let at = query;
  if (at < end && load<u8>(at) === QUESTION_MARK) at++;
  while (at < end) {
    const next = find(at, end, AMPERSAND);
    const equals = find(at, next, EQUALS);
    if (equals === next) return false;
    const nameSize = <u32>(equals - at);
    const value = equals + 1;
    const size = <u32>(next - value);
    if (isText(at, nameSize, "frontend")) {
      if (!keyFromText(value, size, PROTOCOL_TCP, frontend)) return false;
    } else if (isText(at, nameSize, "client")) {
      if (!keyFromText(value, size, PROTOCOL_TCP, client)) return false;
    } else if (isText(at, nameSize, "list")) {
      if (isText(value, size, "local")) list = KEY_LIST_LOCAL;
      else if (!isText(value, size, "cluster")) return false;
    } else return false;
    at = next + 1;
  }
  const family = keyFamily(frontend);
  store<u8>(frontend + KEY_FAMILY_OFFSET, <u8>(family | list));
  return family !== 0 && family === keyFamily(client);
}
