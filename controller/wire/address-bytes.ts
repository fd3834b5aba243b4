// Canonical address text → bytes in network order, written in place: encoding a table does this a
// hundred thousand times. Does not validate addresses; model/ip.ts did.

import ipaddr from "ipaddr.js";
import { readIPv6 } from "../model/ip.ts";

const DOT = 0x2e;
const ZERO = 0x30;

function writeIPv4(address: string, bytes: Uint8Array, offset: number): void {
  let octet = 0;
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code === DOT) {
      bytes[offset++] = octet;
      octet = 0;
    } else {
      octet = octet * 10 + code - ZERO;
    }
  }
  bytes[offset] = octet;
}

const words = new Uint16Array(8);

function writeIPv6(address: string, bytes: Uint8Array, offset: number): void {
  readIPv6(address, words);
  for (const word of words) {
    bytes[offset++] = word >> 8;
    bytes[offset++] = word & 0xff;
  }
}

/** Writes 4 or 16 bytes at offset. */
export function writeAddress(address: string, bytes: Uint8Array, offset: number): void {
  if (!address.includes(":")) writeIPv4(address, bytes, offset);
  else writeIPv6(address, bytes, offset);
}

/** Returns the canonical text of the 4 or 16 bytes at offset. */
export function readAddress(bytes: Uint8Array, offset: number, size: 4 | 16): string {
  return ipaddr.fromByteArray([...bytes.subarray(offset, offset + size)]).toString();
}
