// A backend of a record (wire/layout.ts), by its address in memory: reads its fields, and finds one
// in a row of backends in ascending order. There, flags do not matter.

import { HASH_OFFSET_BASIS } from "../wire/layout";
import { hashBytes } from "./record";

export const FLAGS_BYTES: u32 = 2;
export const PORT_AND_FLAGS_BYTES: u32 = 4;

/** Returns the port of a backend of `bytes`, in network order. */
export function backendPort(backend: usize, bytes: u32): u16 {
  return load<u16>(backend + bytes - PORT_AND_FLAGS_BYTES);
}

/** Returns the BACKEND_FLAG_ of a backend of `bytes`. */
export function backendFlags(backend: usize, bytes: u32): u32 {
  return load<u8>(backend + bytes - FLAGS_BYTES);
}

/** Returns FNV-1a of address and port of a backend of `bytes`: the same on every node. */
export function backendHash(backend: usize, bytes: u32): u32 {
  return hashBytes(backend, bytes - FLAGS_BYTES, HASH_OFFSET_BASIS);
}

/** Negative, 0 or positive; a backend has `bytes`, its flags included. */
export function compareBackends(a: usize, b: usize, bytes: u32): i32 {
  return memory.compare(a, b, bytes - FLAGS_BYTES);
}

/** Returns the index of the first backend that is not before `wanted`; the count for none. */
export function notBefore(list: usize, count: u32, bytes: u32, wanted: usize): u32 {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBackends(list + middle * bytes, wanted, bytes) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Returns the backend with the address and port of `wanted`; 0 when it is missing. */
export function findBackend(list: usize, count: u32, bytes: u32, wanted: usize): usize {
  const index = notBefore(list, count, bytes, wanted);
  const backend = list + index * bytes;
  return index < count && compareBackends(backend, wanted, bytes) === 0 ? backend : 0;
}
