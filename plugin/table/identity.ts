// A backend's address and port → a number that spreads evenly, for hashing: the same in all workers
// and on all nodes, whatever else its list has.

import { BACKEND_IPV4_BYTES } from "../wire/layout";

const FACTOR_1: u64 = ((<u64>0xff51afd7) << 32) | 0xed558ccd;
const FACTOR_2: u64 = ((<u64>0xc4ceb9fe) << 32) | 0x1a85ec53;

/** Returns a number in which each bit depends on all bits (Appleby, MurmurHash3, fmix64). */
export function mixed(bits: u64): u64 {
  bits = (bits ^ (bits >> 33)) * FACTOR_1;
  bits = (bits ^ (bits >> 33)) * FACTOR_2;
  return bits ^ (bits >> 33);
}

/** Returns the number of a backend of `bytes`, its flags included. */
export function identityOf(backend: usize, bytes: u32): u64 {
  if (bytes === BACKEND_IPV4_BYTES) {
    return mixed(<u64>load<u32>(backend) | ((<u64>load<u16>(backend, 4)) << 32));
  }
  const port = <u64>load<u16>(backend, 16);
  return mixed(mixed(load<u64>(backend) ^ port) ^ load<u64>(backend, 8));
}
