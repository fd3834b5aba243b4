// Shared data: a map from key to bytes that all workers and both roles share (same vm_id). There is
// no removal; an empty value replaces it.

import { STATUS_NOT_FOUND, STATUS_OK } from "../abi/codes";
import { proxy_get_shared_data, proxy_set_shared_data } from "../abi/env";
import { clearReturned, OUT_BYTES, OUT_NUMBER, OUT_SIZE } from "../abi/memory";

/** Writes whatever is there. */
export const ANY_CAS: u32 = 0;
/**
 * Writes only if the key is absent: the host checks the number only of a key that exists, and
 * counts up from 1, so no key has this number.
 */
export const ABSENT_CAS: u32 = 0xffffffff;

/**
 * Reads a value into returnedBytes (to be released) and returnedSize, both 0 when it is empty or
 * absent, and its number into returnedCas. Any status but OK and NOT_FOUND means that the host
 * failed.
 */
export function readShared(key: usize, keySize: u32): u32 {
  clearReturned();
  store<u32>(OUT_NUMBER, ABSENT_CAS);
  const status = proxy_get_shared_data(key, keySize, OUT_BYTES, OUT_SIZE, OUT_NUMBER);
  if (status !== STATUS_OK) clearReturned();
  return status === STATUS_NOT_FOUND ? STATUS_OK : status;
}

/** Returns the compare-and-set number of the value read last; ABSENT_CAS if the key was absent. */
export function returnedCas(): u32 {
  return load<u32>(OUT_NUMBER);
}

/**
 * Writes a value if the key's number is `cas` (or ANY_CAS, ABSENT_CAS); size 0 empties it. Returns
 * STATUS_CAS_MISMATCH when the number differs; any other status but OK means that the host failed.
 */
export function writeShared(key: usize, keySize: u32, value: usize, size: u32, cas: u32): u32 {
  return proxy_set_shared_data(key, keySize, value, size, cas);
}
