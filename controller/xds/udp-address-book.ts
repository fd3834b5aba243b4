// Roles of UDP listeners (udp-target.ts) → the addresses that they are bound to. No client ever
// sees these addresses: the kernel rules (controller/capture/udp.ts) write them into datagrams on
// their way to Envoy, and remove them from its replies. They must be distinct, and the kernel must
// treat them as unicast:
//
//    IPv4   240.0.0.0/5, reserved (RFC 1112) and routed nowhere, so that nothing is hidden by it
//    IPv6   fd70:6f72:7469:636f::/64, a unique local prefix ("portico"), with the same checksum as
//           the frontend's address (as in RFC 6296): nftables takes an IPv6 header for an IPv4 one
//           when it keeps the sum of a datagram right that the kernel has summed up already, as it
//           has those that came in fragments, and they would be dropped (Linux 6.18, nft_payload.c)
//
// An address is random, and replaced when its listener comes back after it was removed: Envoy keeps
// the sockets of a removed listener open for its drain time without reading them, and the kernel
// would give them a share of the datagrams for that address.

import { randomBytes } from "node:crypto";
import ipaddr from "ipaddr.js";
import { addressBytes, familyOf } from "../model/ip.ts";

const IPV4_FIRST_BYTE = 240;
const IPV4_FREE_BITS_OF_FIRST_BYTE = 0x07;
const IPV6_PREFIX = [0xfd, 0x70, 0x6f, 0x72, 0x74, 0x69, 0x63, 0x6f];
const LOT_BYTES = 6;
/** All these addresses are in these ranges. */
export const UDP_LISTENER_CIDRS = ["240.0.0.0/5", "fd70:6f72:7469:636f::/64"];
/** One's complement sums of 16-bit words are sums modulo this. */
const SUM_MODULUS = 0xffff;

export class UdpAddressBook {
  readonly #addresses: Map<string, string>;
  /** Including those of another Envoy. */
  readonly #taken: Set<string>;
  readonly #draw: (bytes: number) => Uint8Array;

  /**
   * `present`: roles and addresses of the listeners that Envoy already has. `others`: addresses of
   * another Envoy.
   */
  constructor(
    present: Iterable<readonly [string, string]>,
    others: readonly string[] = [],
    draw: (bytes: number) => Uint8Array = randomBytes,
  ) {
    this.#addresses = new Map(present);
    this.#taken = new Set([...this.#addresses.values(), ...others]);
    this.#draw = draw;
  }

  /** Roles that have an address. */
  get roles(): Iterable<string> {
    return this.#addresses.keys();
  }

  has(role: string): boolean {
    return this.#addresses.has(role);
  }

  /** Returns the address of a listener: the one that it has, or a new one. */
  assign(role: string, frontendAddress: string): string {
    const present = this.#addresses.get(role);
    if (present !== undefined) return present;
    const address = this.#drawFree(frontendAddress);
    this.#addresses.set(role, address);
    return address;
  }

  /** Forgets the address of a listener that goes. */
  release(role: string): void {
    const address = this.#addresses.get(role);
    if (address === undefined) return;
    this.#addresses.delete(role);
    this.#taken.delete(address);
  }

  #drawFree(frontendAddress: string): string {
    for (;;) {
      const address = addressFrom(frontendAddress, this.#draw(LOT_BYTES));
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      return address;
    }
  }
}

function addressFrom(frontendAddress: string, lot: Uint8Array): string {
  if (familyOf(frontendAddress) === "IPv6") {
    const rest = [...IPV6_PREFIX, ...lot];
    const missing = sumOf(addressBytes(frontendAddress)) - sumOf(rest) + SUM_MODULUS;
    const word = missing % SUM_MODULUS;
    return ipaddr.fromByteArray([...rest, word >> 8, word & 0xff]).toString();
  }
  const [first = 0, second = 0, third = 0, fourth = 0] = lot;
  const firstByte = IPV4_FIRST_BYTE + (first & IPV4_FREE_BITS_OF_FIRST_BYTE);
  return `${firstByte}.${second}.${third}.${fourth}`;
}

/** Returns the sum of its 16-bit words. */
function sumOf(bytes: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) {
    sum += (bytes[index] ?? 0) * 256 + (bytes[index + 1] ?? 0);
  }
  return sum % SUM_MODULUS;
}
