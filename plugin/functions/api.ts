// What a function may call: names, types and prices as in controller/linker/api.ts, which says what
// the numbers mean. A backend is an index; whatever a function passes, nothing is read beyond the
// list: an index that is not in it answers 0.

import { now, steadyNow } from "../host/clock";
import { below } from "../pick/chance";
import {
  backendFlags,
  backendHash,
  backendPort,
  FLAGS_BYTES,
  notBefore,
  PORT_AND_FLAGS_BYTES,
} from "../table/backends";
import { hashBytes, keyFamily } from "../table/record";
import {
  BACKEND_FLAG_LOCAL,
  FAMILY_IPV4,
  HASH_OFFSET_BASIS,
  KEY_ADDRESS_OFFSET,
  KEY_PORT_OFFSET,
} from "../wire/layout";
import { indexByHash } from "./by-hash";
import {
  viewBackend,
  viewBackendBytes,
  viewClient,
  viewConnections,
  viewCount,
  viewFrontend,
} from "./view";

/** Whose address, in place of an index. */
const CLIENT: i32 = -1;
const FRONTEND: i32 = -2;

// As in functions/api/portico.ts.
const FLAG_LOCAL: u32 = 1;
const FLAG_READY: u32 = 2;
/** ::ffff:a.b.c.d */
const IPV4_PREFIX: u64 = 0xffff00000000;
const SECOND: f64 = 1e9;

const wanted: usize = memory.data(20);

/** Returns the key of the client or of the frontend; 0 for anything else. */
function keyOf(whose: i32): usize {
  if (whose === CLIENT) return viewClient();
  return whose === FRONTEND ? viewFrontend() : 0;
}

/** Returns where the 4 or 16 bytes of an address are; 0 where there is none. */
function addressOf(whose: i32): usize {
  const key = keyOf(whose);
  return key === 0 ? viewBackend(whose) : key + KEY_ADDRESS_OFFSET;
}

function isIPv4(whose: i32): bool {
  return keyFamily(whose === CLIENT ? viewClient() : viewFrontend()) === FAMILY_IPV4;
}

/** Returns any backend, each as likely. */
export function api_any(): i32 {
  return below(viewCount());
}

/** Returns 0 to limit - 1, each as likely; 0 for limit 0. */
export function api_random(limit: u32): i32 {
  return limit === 0 ? 0 : below(limit);
}

/** Returns the backend for a hash, the same while it is listed. */
export function api_byHash(hash: u32): i32 {
  return indexByHash(hash);
}

/** Returns the first 8 of the address's 16 bytes; 0 for IPv4. */
export function api_addressHigh(whose: i32): u64 {
  const address = addressOf(whose);
  return address === 0 || isIPv4(whose) ? 0 : bswap<u64>(load<u64>(address));
}

/** Returns the last 8 of the address's 16 bytes, an IPv4 one as ::ffff:a.b.c.d. */
export function api_addressLow(whose: i32): u64 {
  const address = addressOf(whose);
  if (address === 0) return 0;
  if (isIPv4(whose)) return IPV4_PREFIX | bswap<u32>(load<u32>(address));
  return bswap<u64>(load<u64>(address, 8));
}

/** Returns the port. */
export function api_port(whose: i32): u32 {
  const key = keyOf(whose);
  if (key !== 0) return bswap<u16>(load<u16>(key + KEY_PORT_OFFSET));
  const backend = viewBackend(whose);
  if (backend === 0) return 0;
  return bswap<u16>(backendPort(backend, viewBackendBytes()));
}

/** Returns a hash of a backend's address and port; of the address alone for the others. */
export function api_hash(whose: i32): u32 {
  const key = keyOf(whose);
  if (key !== 0) return hashBytes(key + KEY_ADDRESS_OFFSET, 16, HASH_OFFSET_BASIS);
  const backend = viewBackend(whose);
  return backend === 0 ? 0 : backendHash(backend, viewBackendBytes());
}

/** Returns FLAG_LOCAL and FLAG_READY: the table does not say which backends are terminating. */
export function api_flags(index: i32): u32 {
  const backend = viewBackend(index);
  if (backend === 0) return 0;
  const isLocal = (backendFlags(backend, viewBackendBytes()) & BACKEND_FLAG_LOCAL) !== 0;
  return isLocal ? FLAG_READY | FLAG_LOCAL : FLAG_READY;
}

/** Returns a backend's open connections, of all workers, as far as they are counted. */
export function api_open(index: i32): u32 {
  const backend = viewBackend(index);
  return backend === 0 ? 0 : viewConnections(backend);
}

/** Writes the address and port to search for; false for an address of the other family. */
function writeWanted(high: u64, low: u64, port: u32): bool {
  const bytes = viewBackendBytes();
  if (isIPv4(FRONTEND)) {
    if (high !== 0 || low >> 32 !== IPV4_PREFIX >> 32) return false;
    store<u32>(wanted, bswap<u32>(<u32>low));
  } else {
    store<u64>(wanted, bswap<u64>(high));
    store<u64>(wanted, bswap<u64>(low), 8);
  }
  store<u16>(wanted + bytes - PORT_AND_FLAGS_BYTES, bswap<u16>(<u16>port));
  return true;
}

/** Returns the backend with an address and a port (0: the lowest); -1 when there is none. */
export function api_find(high: u64, low: u64, port: u32): i32 {
  if (!writeWanted(high, low, port)) return -1;
  const bytes = viewBackendBytes();
  const index = notBefore(viewBackend(0), viewCount(), bytes, wanted);
  const backend = viewBackend(index);
  const ignored = port === 0 ? PORT_AND_FLAGS_BYTES : FLAGS_BYTES;
  const isFound = backend !== 0 && memory.compare(backend, wanted, bytes - ignored) === 0;
  return isFound ? index : -1;
}

/** Returns seconds of a clock that never jumps. */
export function api_seconds(): f64 {
  return <f64>steadyNow() / SECOND;
}

/** Returns seconds since 1970. */
export function api_unixSeconds(): f64 {
  return <f64>now() / SECOND;
}
