// Addresses between the host's text and the table's bytes: "10.96.0.10:80" or "[fd00::a]:80" →
// key, and backend bytes → text. Addresses and ports are in network order in the bytes.

import {
  FAMILY_IPV4,
  FAMILY_IPV6,
  KEY_ADDRESS_OFFSET,
  KEY_BYTES,
  KEY_FAMILY_OFFSET,
  KEY_PORT_OFFSET,
  KEY_PROTOCOL_OFFSET,
} from "../wire/layout";

const DOT: u8 = 0x2e;
const COLON: u8 = 0x3a;
const OPEN: u8 = 0x5b;
const CLOSE: u8 = 0x5d;
const ZERO: u8 = 0x30;

/** The longest text of an address with its port: "[", 8 groups of 4 with 7 colons, "]:65535". */
export const ADDRESS_TEXT_BYTES: u32 = 47;

/** The end of the number that parseDecimal read. */
let decimalEnd: usize = 0;

/** Returns the number at `at`, at most `limit`; 0xffffffff when it is larger or missing. */
function parseDecimal(at: usize, end: usize, limit: u32): u32 {
  let value: u32 = 0;
  const start = at;
  while (at < end) {
    const digit = <u32>load<u8>(at) - ZERO;
    if (digit > 9) break;
    value = value * 10 + digit;
    if (value > limit) return 0xffffffff;
    at++;
  }
  decimalEnd = at;
  return at === start ? 0xffffffff : value;
}

/** Writes 4 bytes; false when the text from `at` to `end` is not an IPv4 address. */
function parseIPv4(at: usize, end: usize, address: usize): bool {
  for (let i: u32 = 0; i < 4; i++) {
    if (i > 0) {
      if (at >= end || load<u8>(at) !== DOT) return false;
      at++;
    }
    const octet = parseDecimal(at, end, 255);
    if (octet > 255) return false;
    store<u8>(address + i, <u8>octet);
    at = decimalEnd;
  }
  return at === end;
}

function hexDigit(character: u8): u32 {
  const digit = <u32>character - ZERO;
  if (digit <= 9) return digit;
  const letter = (<u32>character | 0x20) - 0x61;
  return letter <= 5 ? letter + 10 : 16;
}

/** Writes 16 bytes; false when `at` to `end` is not the text of an IPv6 address (RFC 4291, 2.2). */
function parseIPv6(at: usize, end: usize, address: usize): bool {
  let filled: u32 = 0;
  let gap: u32 = 16; // where "::" was; 16 for nowhere
  if (at + 2 <= end && load<u16>(at) === 0x3a3a) {
    gap = 0;
    at += 2;
  }
  while (at < end) {
    if (filled > 14) return false;
    const start = at;
    let group: u32 = 0;
    while (at < end && at - start < 5 && hexDigit(load<u8>(at)) < 16) {
      group = (group << 4) | hexDigit(load<u8>(at++));
    }
    if (at < end && load<u8>(at) === DOT) {
      if (filled > 12 || !parseIPv4(start, end, address + filled)) return false;
      filled += 4;
      break;
    }
    if (at === start || at - start > 4) return false;
    store<u16>(address + filled, bswap<u16>(<u16>group));
    filled += 2;
    if (at === end) break;
    if (load<u8>(at++) !== COLON || at === end) return false;
    if (load<u8>(at) === COLON) {
      if (gap < 16) return false;
      gap = filled;
      at++;
    }
  }
  if (gap === 16) return filled === 16;
  if (filled === 16) return false;
  const tail = filled - gap;
  memory.copy(address + 16 - tail, address + gap, tail);
  memory.fill(address + gap, 0, 16 - filled);
  return true;
}

/** Turns ::ffff:a.b.c.d, as a socket of both families shows an IPv4 peer, into IPv4. */
function unmapIPv4(key: usize): void {
  const address = key + KEY_ADDRESS_OFFSET;
  if (load<u64>(address) !== 0 || load<u32>(address + 8) !== 0xffff0000) return;
  store<u8>(key + KEY_FAMILY_OFFSET, <u8>FAMILY_IPV4);
  store<u32>(address, load<u32>(address + 12));
  store<u64>(address + 4, 0);
  store<u32>(address + 12, 0);
}

/** Writes the KEY_BYTES of a frontend; false when the text is not an address with a port. */
export function keyFromText(text: usize, size: u32, protocol: u32, key: usize): bool {
  memory.fill(key, 0, KEY_BYTES);
  const end = text + size;
  let colon = end;
  while (colon > text && load<u8>(colon - 1) !== COLON) colon--;
  if (colon === text) return false;
  const port = parseDecimal(colon, end, 65535);
  if (port > 65535 || decimalEnd !== end) return false;
  store<u8>(key + KEY_PROTOCOL_OFFSET, <u8>protocol);
  store<u16>(key + KEY_PORT_OFFSET, bswap<u16>(<u16>port));
  const addressEnd = colon - 1;
  if (load<u8>(text) !== OPEN) {
    store<u8>(key + KEY_FAMILY_OFFSET, <u8>FAMILY_IPV4);
    return parseIPv4(text, addressEnd, key + KEY_ADDRESS_OFFSET);
  }
  if (load<u8>(addressEnd - 1) !== CLOSE) return false;
  store<u8>(key + KEY_FAMILY_OFFSET, <u8>FAMILY_IPV6);
  if (!parseIPv6(text + 1, addressEnd - 1, key + KEY_ADDRESS_OFFSET)) return false;
  unmapIPv4(key);
  return true;
}

function writeDecimal(value: u32, at: usize): usize {
  if (value >= 10) at = writeDecimal(value / 10, at);
  store<u8>(at, ZERO + <u8>(value % 10));
  return at + 1;
}

function writeHex(value: u32, at: usize): usize {
  if (value >= 16) at = writeHex(value >> 4, at);
  const digit = <u8>(value & 15);
  store<u8>(at, digit < 10 ? ZERO + digit : 0x57 + digit);
  return at + 1;
}

/**
 * Writes the text of an address (4 or 16 bytes by family) and a port, at most ADDRESS_TEXT_BYTES;
 * returns its size.
 */
export function writeAddress(family: u32, address: usize, port: u32, text: usize): u32 {
  let at = text;
  if (family === FAMILY_IPV4) {
    for (let i: u32 = 0; i < 4; i++) {
      if (i > 0) store<u8>(at++, DOT);
      at = writeDecimal(load<u8>(address + i), at);
    }
  } else {
    store<u8>(at++, OPEN);
    for (let i: u32 = 0; i < 16; i += 2) {
      if (i > 0) store<u8>(at++, COLON);
      at = writeHex(bswap<u16>(load<u16>(address + i)), at);
    }
    store<u8>(at++, CLOSE);
  }
  store<u8>(at++, COLON);
  return <u32>(writeDecimal(port, at) - text);
}
