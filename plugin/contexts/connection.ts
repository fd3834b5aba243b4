// One TCP connection that the kernel handed to Envoy: its destination → a backend of that frontend,
// from this VM's list → filter state, from which the ORIGINAL_DST cluster takes the upstream. A
// connection without filter state is closed here and never reaches the cluster.

import { ACTION_CONTINUE, ACTION_STOP, LOG_ERROR, LOG_WARN } from "../abi/codes";
import { release, returnedSize } from "../abi/memory";
import { limitedTotal, noBackendTotal, picksTotal, unknownFrontendTotal } from "../counters";
import { keyFromText } from "../host/address";
import { count } from "../host/counter";
import { setLimitName } from "../host/filter-state";
import { logRarely } from "../host/log";
import { lastingProperty, readProperty } from "../host/property";
import { refuseDownstream } from "../host/refusal";
import { closeDownstream } from "../host/stream";
import { addBytes, addText, beginText } from "../host/text";
import { ADMITTED, admit, TOO_MANY } from "../limit/admit";
import { addConnection } from "../load/connections";
import { pickedBackend } from "../pick/backend";
import { setPickedDestination } from "../pick/destination";
import {
  NO_BACKEND,
  namesConnections,
  PICKED,
  pickBackend,
  pickedCountsLoad,
  pickedMostConnections,
  pickedMostNewConnections,
  pickedServiceId,
  UNKNOWN_FRONTEND,
} from "../pick/lookup";
import { watchPicked } from "../repick/watch";
import { countOpened, countRefused } from "../stats/connections";
import { backendBytes, keyFamily } from "../table/record";
import { KEY_BYTES, KEY_FAMILY_OFFSET, PROTOCOL_TCP } from "../wire/layout";
import { STATS_LIMITED, STATS_LIMITED_NEW, STATS_NO_BACKEND } from "../wire/stats-layout";
import { keyList } from "./root";

const destinationAddress: usize = lastingProperty("destination\0address");
/** Names of limits, as in the annotations and in metrics. */
const MAX_CONNECTIONS = "max-connections";
const MAX_NEW_CONNECTIONS = "max-new-connections-per-second";
const key: usize = memory.data(KEY_BYTES);

/** Makes the picked backend the connection's destination; false when that fails. */
function connectToPicked(contextId: u32): bool {
  if (!setPickedDestination(key)) return false;
  count(picksTotal);
  countOpened(contextId, keyFamily(key));
  if (pickedCountsLoad()) addConnection(contextId, pickedBackend(), backendBytes(key));
  watchPicked(contextId, key);
  return true;
}

function close(): u32 {
  closeDownstream();
  return ACTION_STOP;
}

/** Has Envoy refuse the connection, or closes it where that is not possible. */
function refuse(): u32 {
  return refuseDownstream(keyFamily(key)) ? ACTION_CONTINUE : close();
}

function logRefusal(level: u32, reason: string, destination: usize, size: u32): void {
  beginText();
  addText("connection to ");
  addBytes(destination, min(size, 64));
  addText(" refused: ");
  addText(reason);
  logRarely(level);
}

function rejectUnpicked(outcome: u32, destination: usize, size: u32): u32 {
  if (outcome === UNKNOWN_FRONTEND) {
    count(unknownFrontendTotal);
    logRefusal(LOG_WARN, "the table has no such frontend", destination, size);
  } else if (outcome === NO_BACKEND) {
    count(noBackendTotal);
    countRefused(STATS_NO_BACKEND);
    logRefusal(LOG_WARN, "the frontend has no backend", destination, size);
  } else {
    logRefusal(LOG_ERROR, "the table cannot be read", destination, size);
  }
  return refuse();
}

/** ADMITTED, or why the limits of the Service refuse the connection that was picked for. */
function admitPicked(contextId: u32): u32 {
  const most = pickedMostConnections();
  const mostNew = pickedMostNewConnections();
  return (most | mostNew) === 0 ? ADMITTED : admit(contextId, pickedServiceId(), most, mostNew);
}

/** Not logged: a limit is there to be reached, and counted per Service. */
function rejectLimited(outcome: u32): u32 {
  count(limitedTotal);
  if (namesConnections())
    setLimitName(outcome === TOO_MANY ? MAX_CONNECTIONS : MAX_NEW_CONNECTIONS);
  countRefused(outcome === TOO_MANY ? STATS_LIMITED : STATS_LIMITED_NEW);
  return refuse();
}

function serve(contextId: u32, destination: usize, size: u32): u32 {
  if (destination === 0 || !keyFromText(destination, size, PROTOCOL_TCP, key)) {
    count(unknownFrontendTotal);
    logRefusal(LOG_ERROR, "its destination is no address with a port", destination, size);
    return close();
  }
  store<u8>(key + KEY_FAMILY_OFFSET, load<u8>(key + KEY_FAMILY_OFFSET) | <u8>keyList);
  const outcome = pickBackend(key);
  if (outcome !== PICKED) return rejectUnpicked(outcome, destination, size);
  const admitted = admitPicked(contextId);
  if (admitted !== ADMITTED) return rejectLimited(admitted);
  if (connectToPicked(contextId)) return ACTION_CONTINUE;
  logRefusal(LOG_ERROR, "Envoy refused the filter state", destination, size);
  return refuse();
}

/** Gives a new connection its backend, or has it refused; ACTION_STOP where it closed it. */
export function proxy_on_new_connection(contextId: u32): u32 {
  const destination = readProperty(destinationAddress);
  const size = destination === 0 ? 0 : returnedSize();
  const action = serve(contextId, destination, size);
  release(destination);
  return action;
}
