// What Envoy knows of the present connection's way to its backend, while tcp_proxy makes one
// attempt after another:
//
//                                  waiting   failed, waiting again   connected   all failed
//   upstream.local_address         absent    absent                  set         absent
//   upstream.address               absent    of the one that failed  of this     of the last
//   upstream.request_attempt_count attempts that have begun
//
// A failure shows nowhere else: response.flags and the failure's text stay once they are set.

import { release, returnedSize } from "../abi/memory";
import {
  BACKEND_IPV6_BYTES,
  FAMILY_IPV4,
  KEY_ADDRESS_OFFSET,
  KEY_BYTES,
  KEY_FAMILY_OFFSET,
  KEY_PORT_OFFSET,
  PROTOCOL_TCP,
} from "../wire/layout";
import { keyFromText } from "./address";
import { lastingProperty, readNumber, readProperty } from "./property";

const localAddress: usize = lastingProperty("upstream\0local_address");
const address: usize = lastingProperty("upstream\0address");
const attempts: usize = lastingProperty("upstream\0request_attempt_count");

const addressKey: usize = memory.data(KEY_BYTES);
const last: usize = memory.data(BACKEND_IPV6_BYTES);

/** Reports whether a backend has accepted. */
export function isConnected(): bool {
  const value = readProperty(localAddress);
  release(value);
  return value !== 0;
}

/** Returns how many attempts have begun. */
export function attemptsBegun(): u32 {
  return <u32>readNumber(attempts);
}

/**
 * Returns the backend that accepted, or failed last, in the form of a record but with flags 0; 0
 * when there is none. Valid until the next call.
 */
export function lastBackend(): usize {
  const text = readProperty(address);
  const isKnown = text !== 0 && keyFromText(text, returnedSize(), PROTOCOL_TCP, addressKey);
  release(text);
  if (!isKnown) return 0;
  const addressBytes: u32 = load<u8>(addressKey + KEY_FAMILY_OFFSET) === FAMILY_IPV4 ? 4 : 16;
  memory.copy(last, addressKey + KEY_ADDRESS_OFFSET, addressBytes);
  store<u32>(last + addressBytes, <u32>load<u16>(addressKey + KEY_PORT_OFFSET));
  return last;
}
