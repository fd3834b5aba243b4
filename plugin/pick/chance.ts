// The only source of randomness: PCG32 (pcg-random.org, XSH RR 64/32), seeded by the host.

import { OUT_NUMBER } from "../abi/memory";
import { random_get } from "../abi/wasi_snapshot_preview1";
import { now } from "../host/clock";

const MULTIPLIER: u64 = ((<u64>0x5851f42d) << 32) | 0x4c957f2d;
const INCREMENT: u64 = ((<u64>0x14057b7e) << 32) | 0xf767814f;
let state: u64 = 0;

/** Seeds once per VM, from the host's random bytes, or from its clock when it has none. */
export function seed(): void {
  store<u64>(OUT_NUMBER, 0);
  if (random_get(OUT_NUMBER, 8) !== 0) store<u64>(OUT_NUMBER, now());
  state = load<u64>(OUT_NUMBER) * MULTIPLIER + INCREMENT;
}

function next(): u32 {
  const before = state;
  state = before * MULTIPLIER + INCREMENT;
  const mixed = <u32>(((before >> 18) ^ before) >> 27);
  return rotr<u32>(mixed, <u32>(before >> 59));
}

function anyNumber(): u64 {
  const high = (<u64>next()) << 32;
  return high | next();
}

let ownNumber: u64 = 0;

/** Returns this VM's number among all VMs that share data, from its first use on; never 0. */
export function vmNumber(): u64 {
  while (ownNumber === 0) ownNumber = anyNumber();
  return ownNumber;
}

/** Returns 0 to limit - 1 (limit > 0), each exactly as likely (Lemire 2019, rejection). */
export function below(limit: u32): u32 {
  let product = <u64>next() * limit;
  if (<u32>product < limit) {
    const threshold = (~limit + 1) % limit; // 2^32 mod limit
    while (<u32>product < threshold) product = <u64>next() * limit;
  }
  return <u32>(product >> 32);
}
