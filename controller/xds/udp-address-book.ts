// Roles of UDP listeners (udp-target.ts) → the addresses that they are bound to. Nobody ever sees
// these addresses: the kernel rules (controller/capture/udp.ts) write them into datagrams on their
// way to Envoy, and out of its replies. They have to be unlike each other, and such that the kernel
// takes them for unicast:
//
//    IPv4   240.0.0.0/5, reserved (RFC 1112) and routed nowhere, so that nothing is hidden by it
//    IPv6   fd70:6f72:7469:636f::/64, a unique local prefix ("portico"), with the same checksum as
//           the frontend's address (as in RFC 6296): nftables takes an IPv6 header for an IPv4 one
//           when it keeps the sum of a datagram right that the kernel has summed up already, as it
//           has those that came in fragments, and they would be dropped (Linux 6.18, nft_payload.c)
//
// An address is drawn by lot, and drawn again when its listener comes back after it was removed:
// Envoy keeps the sockets of a removed listener open for its drain time and reads them no more, and
// the kernel would give them their share of what comes for that address.

import { randomBytes } from "node:crypto";
import ipaddr from "ipaddr.js";
import { addressBytes, familyOf } from "../model/ip.ts";

const IPV4_FIRST_BYTE = 240;
const IPV4_FREE_BITS_OF_FIRST_BYTE = 0x07;
const IPV6_PREFIX = [0xfd, 0x70, 0x6f, 0x72, 0x74, 0x69, 0x63, 0x6f];
const LOT_BYTES = 6;
/** All addresses that are drawn are in these. */
export const UDP_LISTENER_CIDRS = ["240.0.0.0/5", "fd70:6f72:7469:636f::/64"];
/** One's complement sums of 16-bit words are sums modulo this. */
const SUM_MODULUS = 0xffff;

/** A listener's role, and the address of its frontend. */
export type Role = readonly [role: string, frontendAddress: string];

export class UdpAddressBook {
  #addresses: ReadonlyMap<string, string>;
  readonly #othersAddresses: readonly string[];
  readonly #draw: (bytes: number) => Uint8Array;

  /**
   * `present`: roles and addresses of the listeners that Envoy has already. `others`: addresses
   * that are another Envoy's.
   */
  constructor(
    present: Iterable<readonly [string, string]>,
    others: readonly string[] = [],
    draw: (bytes: number) => Uint8Array = randomBytes,
  ) {
    this.#addresses = new Map(present);
    this.#othersAddresses = others;
    this.#draw = draw;
  }

  has(role: string): boolean {
    return this.#addresses.has(role);
  }

  /** The addresses of all listeners that there are to be; those of others are forgotten. */
  assign(roles: Iterable<Role>): ReadonlyMap<string, string> {
    const taken = new Set([...this.#addresses.values(), ...this.#othersAddresses]);
    const assigned = new Map<string, string>();
    for (const [role, address] of roles) {
      assigned.set(role, this.#addresses.get(role) ?? this.#drawFree(address, taken));
    }
    this.#addresses = assigned;
    return assigned;
  }

  #drawFree(frontendAddress: string, taken: Set<string>): string {
    for (;;) {
      const address = addressFrom(frontendAddress, this.#draw(LOT_BYTES));
      if (taken.has(address)) continue;
      taken.add(address);
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

/** Of the 16-bit words in it. */
function sumOf(bytes: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) {
    sum += (bytes[index] ?? 0) * 256 + (bytes[index + 1] ?? 0);
  }
  return sum % SUM_MODULUS;
}
