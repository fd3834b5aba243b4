// One TCP connection that the kernel handed to Envoy: its destination → a backend of that frontend,
// from this VM's list → filter state, from which the ORIGINAL_DST cluster takes the upstream. A
// connection without filter state is closed here and never reaches the cluster.

import { ACTION_CONTINUE, ACTION_STOP, LOG_ERROR, LOG_WARN } from "../abi/codes";
import { release, returnedSize } from "../abi/memory";
import { noBackendTotal, picksTotal, unknownFrontendTotal } from "../counters";
import { keyFromText } from "../host/address";
import { count } from "../host/counter";
import { logRarely } from "../host/log";
import { lastingProperty, readProperty } from "../host/property";
import { closeDownstream } from "../host/stream";
import { addBytes, addText, beginText } from "../host/text";
import { setPickedDestination } from "../pick/destination";
import { NO_BACKEND, PICKED, pickBackend, UNKNOWN_FRONTEND } from "../pick/lookup";
import { watchPicked } from "../repick/watch";
import { countNoBackend, countOpened } from "../stats/connections";
import { keyFamily } from "../table/record";
import { KEY_BYTES, KEY_FAMILY_OFFSET, PROTOCOL_TCP } from "../wire/layout";
import { keyList } from "./root";

const destinationAddress: usize = lastingProperty("destination\0address");
const key: usize = memory.data(KEY_BYTES);

/** Makes the picked backend the connection's destination; false when that fails. */
function connectToPicked(contextId: u32): bool {
  if (!setPickedDestination(key)) return false;
  count(picksTotal);
  countOpened(contextId, keyFamily(key));
  watchPicked(contextId, key);
  return true;
}

function reject(level: u32, reason: string, destination: usize, size: u32): u32 {
  beginText();
  addText("connection to ");
  addBytes(destination, min(size, 64));
  addText(" closed: ");
  addText(reason);
  logRarely(level);
  closeDownstream();
  return ACTION_STOP;
}

function rejectUnpicked(outcome: u32, destination: usize, size: u32): u32 {
  if (outcome === UNKNOWN_FRONTEND) {
    count(unknownFrontendTotal);
    return reject(LOG_WARN, "the table has no such frontend", destination, size);
  }
  if (outcome === NO_BACKEND) {
    count(noBackendTotal);
    countNoBackend();
    return reject(LOG_WARN, "the frontend has no backend", destination, size);
  }
  return reject(LOG_ERROR, "the table cannot be read", destination, size);
}

function serve(contextId: u32, destination: usize, size: u32): u32 {
  if (destination === 0 || !keyFromText(destination, size, PROTOCOL_TCP, key)) {
    count(unknownFrontendTotal);
    return reject(LOG_ERROR, "its destination is no address with a port", destination, size);
  }
  store<u8>(key + KEY_FAMILY_OFFSET, load<u8>(key + KEY_FAMILY_OFFSET) | <u8>keyList);
  const outcome = pickBackend(key);
  if (outcome !== PICKED) return rejectUnpicked(outcome, destination, size);
  if (connectToPicked(contextId)) return ACTION_CONTINUE;
  return reject(LOG_ERROR, "Envoy refused the filter state", destination, size);
}

/** Gives a new connection its backend and lets it continue, or closes it (ACTION_STOP). */
export function proxy_on_new_connection(contextId: u32): u32 {
  const destination = readProperty(destinationAddress);
  const size = destination === 0 ? 0 : returnedSize();
  const action = serve(contextId, destination, size);
  release(destination);
  return action;
}
