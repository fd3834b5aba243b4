// Networks as text: "10.1.0.0/16", "fd00::/8", or an address alone. Part of the API's library; what
// is not a network fails the pick.

const COLON: i32 = 0x3a;
const DOT: i32 = 0x2e;
const SLASH: i32 = 0x2f;
const IPV6_PARTS: i32 = 8;
const PART_BITS: i32 = 16;

@lazy let place: i32 = 0;
@lazy let networkHigh: u64 = 0;
@lazy let networkLow: u64 = 0;

/** Reports whether the address, in two halves, is in the network. */
export function isInNetwork(high: u64, low: u64, network: string): bool {
  place = 0;
  networkHigh = 0;
  networkLow = 0;
  const isIPv6 = network.includes(":");
  if (isIPv6) readIPv6(network);
  else readIPv4(network);
  const bits = isIPv6 ? 128 : 32;
  let prefix = bits;
  if (codeAt(network, place) === SLASH) {
    place++;
    prefix = <i32>readNumber(network, 10);
  }
  assert(place === network.length && prefix <= bits, "not a network");
  // How many of the lowest bits do not count.
  const free = bits - prefix;
  if (free >= 64) return free === 128 || (high ^ networkHigh) >> (free - 64) === 0;
  return high === networkHigh && (low ^ networkLow) >> free === 0;
}

function readIPv4(text: string): void {
  for (let part = 0; part < 4; part++) {
    if (part > 0) assert(codeAt(text, place++) === DOT, "not a network");
    const number = readNumber(text, 10);
    assert(number < 256, "not a network");
    networkLow = networkLow << 8 | number;
  }
  networkLow |= 0xffff00000000;
}

function readIPv6(text: string): void {
  const left = IPV6_PARTS - countParts(text);
  let hasGap = false;
  while (place < text.length && codeAt(text, place) !== SLASH) {
    if (codeAt(text, place) !== COLON) {
      const part = readNumber(text, 16);
      shift(PART_BITS);
      networkLow |= part;
    } else if (codeAt(text, place + 1) === COLON) {
      assert(!hasGap, "not a network");
      hasGap = true;
      shift(left * PART_BITS);
      place += 2;
    } else {
      // Between two parts.
      assert(place > 0 && codeAt(text, place - 1) !== COLON, "not a network");
      place++;
      assert(place < text.length, "not a network");
    }
  }
  assert(left >= 0 && hasGap === left > 0, "not a network");
}

/** The parts between colons; "::" stands for those that are not there. */
function countParts(text: string): i32 {
  let count = 0;
  let before = COLON;
  for (let i = 0; i < text.length && codeAt(text, i) !== SLASH; i++) {
    const code = codeAt(text, i);
    if (before === COLON && code !== COLON) count++;
    before = code;
  }
  return count;
}

function shift(bits: i32): void {
  if (bits >= 64) {
    networkHigh = bits < 128 ? networkLow << (bits - 64) : 0;
    networkLow = 0;
  } else if (bits > 0) {
    networkHigh = networkHigh << bits | networkLow >> (64 - bits);
    networkLow <<= bits;
  }
}

/** 0 behind the end. */
function codeAt(text: string, index: i32): i32 {
  return index < text.length ? text.charCodeAt(index) : 0;
}

/** Fails where there is no number, and for one of more than 16 bits. */
function readNumber(text: string, base: i32): u64 {
  const start = place;
  let value: i32 = 0;
  while (value <= 0xffff) {
    const code = codeAt(text, place);
    const isDigit = code >= 0x30 && code <= 0x39;
    const digit = isDigit ? code - 0x30 : (code | 0x20) - 0x61 + 10;
    if (!isDigit && (digit < 10 || digit >= base)) break;
    value = value * base + digit;
    place++;
  }
  assert(place > start && value <= 0xffff, "not a network");
  return value;
}
