// Bytes of a frame → whether they are a record, or a key, that the table may take; if not, why
// (refusal.ts).

import {
  BACKEND_FLAG_LOCAL,
  BACKEND_FLAG_PREFERRED,
  BALANCING_FAILOVER,
  BALANCING_RANDOM,
  FAMILY_IPV4,
  FAMILY_IPV6,
  KEY_ADDRESS_OFFSET,
  KEY_BYTES,
  KEY_FAMILY_OFFSET,
  KEY_PORT_OFFSET,
  KEY_PROTOCOL_OFFSET,
  KIND_CLUSTER_IP,
  KIND_LOAD_BALANCER,
  MAX_BACKENDS,
  MAX_FUNCTIONS,
  MAX_NAME_BYTES,
  OPTION_NO_EJECTION,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  RECORD_BACKEND_COUNT_OFFSET,
  RECORD_BALANCING_OFFSET,
  RECORD_BYTES_OFFSET,
  RECORD_FLAGS_OFFSET,
  RECORD_FUNCTION_OFFSET,
  RECORD_HEADER_BYTES,
  RECORD_KIND_OFFSET,
  RECORD_NAME_BYTES_OFFSET,
  RECORD_OPTIONS_OFFSET,
  RECORD_STAMP_OFFSET,
} from "../wire/layout";
import { backendFlags, backendPort, compareBackends } from "./backends";
import {
  backendBytes,
  backendCount,
  balancing,
  frameBytes,
  keyFamily,
  nameBytes,
  namedFunction,
  recordBytes,
  recordFlags,
  recordKey,
  recordStamp,
} from "./record";
import { refuse, refuseOver } from "./refusal";

/** Reports whether the KEY_BYTES at `key`, `offset` bytes into the frame, are a key. */
export function checkKey(key: usize, offset: u32): bool {
  const family = keyFamily(key);
  if (family !== FAMILY_IPV4 && family !== FAMILY_IPV6) {
    const found = load<u8>(key + KEY_FAMILY_OFFSET);
    return refuse("address family is not 4 or 6:", found, offset + KEY_FAMILY_OFFSET);
  }
  const protocol: u32 = load<u8>(key + KEY_PROTOCOL_OFFSET);
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP && protocol !== PROTOCOL_SCTP) {
    return refuse("protocol is not 6, 17 or 132:", protocol, offset + KEY_PROTOCOL_OFFSET);
  }
  if (load<u16>(key + KEY_PORT_OFFSET) === 0) {
    return refuse("port is", 0, offset + KEY_PORT_OFFSET);
  }
  const rest = key + KEY_ADDRESS_OFFSET + 4;
  if (family === FAMILY_IPV4 && (load<u64>(rest) | load<u32>(rest + 8)) !== 0) {
    const at = offset + KEY_ADDRESS_OFFSET + 4;
    return refuse("bytes after an IPv4 address are not 0:", load<u32>(rest), at);
  }
  return true;
}

const BACKEND_FLAGS: u32 = BACKEND_FLAG_LOCAL | BACKEND_FLAG_PREFERRED;

function checkBackends(record: usize, offset: u32): bool {
  const bytes = backendBytes(recordKey(record));
  const count = backendCount(record);
  const first = record + RECORD_HEADER_BYTES;
  for (let i: u32 = 0; i < count; i++) {
    const backend = first + i * bytes;
    const at = offset + <u32>(backend - record);
    if (backendPort(backend, bytes) === 0) return refuse("backend's port is", 0, at);
    const flags = backendFlags(backend, bytes);
    if ((flags & ~BACKEND_FLAGS) !== 0) return refuse("backend's flags are", flags, at);
    if (i > 0 && compareBackends(backend - bytes, backend, bytes) >= 0) {
      return refuse("backends are not in ascending order, index", i, at);
    }
  }
  return true;
}

/** Checks that they are three texts with a NUL between them. */
function checkNames(names: usize, size: u32, offset: u32): bool {
  let separators: u32 = 0;
  for (let i: u32 = 0; i < size; i++) {
    if (load<u8>(names + i) === 0) separators++;
  }
  return separators === 2 || refuse("separators in the names are not 2:", separators, offset);
}

function checkSettings(record: usize, offset: u32): bool {
  const policy = balancing(record);
  if (policy < BALANCING_RANDOM || policy > BALANCING_FAILOVER) {
    return refuse("balancing is unknown:", policy, offset + RECORD_BALANCING_OFFSET);
  }
  const options: u32 = load<u8>(record + RECORD_OPTIONS_OFFSET);
  if ((options & ~OPTION_NO_EJECTION) !== 0) {
    return refuse("record's options are", options, offset + RECORD_OPTIONS_OFFSET);
  }
  const named = namedFunction(record);
  if (named <= MAX_FUNCTIONS) return true;
  const at = offset + RECORD_FUNCTION_OFFSET;
  return refuseOver("MAX_FUNCTIONS", MAX_FUNCTIONS, "function", named, at);
}

function checkRecordHeader(record: usize, offset: u32): bool {
  const kind: u32 = load<u8>(record + RECORD_KIND_OFFSET);
  if (kind < KIND_CLUSTER_IP || kind > KIND_LOAD_BALANCER) {
    return refuse("kind of frontend is unknown:", kind, offset + RECORD_KIND_OFFSET);
  }
  const flags = recordFlags(record);
  if (flags !== 0) return refuse("record's flags are not 0:", flags, offset + RECORD_FLAGS_OFFSET);
  const stamp = recordStamp(record);
  if (stamp !== 0) return refuse("record's stamp is not 0:", stamp, offset + RECORD_STAMP_OFFSET);
  const count = backendCount(record);
  if (count > MAX_BACKENDS) {
    const at = offset + RECORD_BACKEND_COUNT_OFFSET;
    return refuseOver("MAX_BACKENDS", MAX_BACKENDS, "backend count", count, at);
  }
  const names = nameBytes(record);
  if (names > MAX_NAME_BYTES) {
    const at = offset + RECORD_NAME_BYTES_OFFSET;
    return refuseOver("MAX_NAME_BYTES", MAX_NAME_BYTES, "name bytes", names, at);
  }
  return true;
}

/** Reports whether `record`, `offset` bytes into the frame, `room` before its end, is a record. */
export function checkRecord(record: usize, offset: u32, room: u32): bool {
  if (room < RECORD_HEADER_BYTES) {
    return refuse("record is cut short, bytes left:", room, offset);
  }
  if (!checkKey(recordKey(record), offset + <u32>(recordKey(record) - record))) return false;
  if (!checkRecordHeader(record, offset) || !checkSettings(record, offset)) return false;
  const bytes = recordBytes(record);
  if (bytes > room || bytes !== frameBytes(record)) {
    return refuse("record bytes do not fit its content:", bytes, offset + RECORD_BYTES_OFFSET);
  }
  if (!checkBackends(record, offset)) return false;
  const names = nameBytes(record);
  return checkNames(record + bytes - names, names, offset + bytes - names);
}

/** Reports whether a key fits. */
export function checkRemoval(key: usize, offset: u32, room: u32): bool {
  if (room < KEY_BYTES) return refuse("removal is cut short, bytes left:", room, offset);
  return checkKey(key, offset);
}
