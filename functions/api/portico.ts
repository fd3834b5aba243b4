// The API of functions, version 1: a library of asc, so its exports are globals of every function.
// portico.d.ts next to it is the same for editors and tsc, with what each is. The functions of
// "portico/1" are those of controller/linker/api.ts, with their prices.
//
// Nothing here is an object: a Backend is its index + 1, an Address the number of whose address it
// is, so reading a property is one direct call into the plugin.

@external("portico/1", "length") declare function __length(): i32;
@external("portico/1", "state") declare function __state(): usize;
@external("portico/1", "any") declare function __any(): i32;
@external("portico/1", "anyOf") declare function __anyOf(group: i32): i32;
@external("portico/1", "byHash") declare function __byHash(hash: u32): i32;
@external("portico/1", "find") declare function __find(high: u64, low: u64, port: i32): i32;
@external("portico/1", "random") declare function __random(limit: i32): i32;
@external("portico/1", "addressHigh") declare function __addressHigh(who: i32): u64;
@external("portico/1", "addressLow") declare function __addressLow(who: i32): u64;
@external("portico/1", "port") declare function __port(who: i32): i32;
@external("portico/1", "hash") declare function __hash(who: i32): u32;
@external("portico/1", "flags") declare function __flags(index: i32): u32;
@external("portico/1", "zone") declare function __zone(index: i32): i32;
@external("portico/1", "node") declare function __node(index: i32): i32;
@external("portico/1", "group") declare function __group(index: i32): i32;
@external("portico/1", "open") declare function __open(index: i32): i32;
@external("portico/1", "opened") declare function __opened(index: i32): i32;
@external("portico/1", "failures") declare function __failures(index: i32): i32;
@external("portico/1", "connectTime") declare function __connectTime(index: i32): i32;
@external("portico/1", "groups") declare function __groups(): i32;
@external("portico/1", "groupSize") declare function __groupSize(group: i32): i32;
@external("portico/1", "ownZone") declare function __ownZone(): i32;
@external("portico/1", "seconds") declare function __seconds(): f64;
@external("portico/1", "unixSeconds") declare function __unixSeconds(): f64;

/** Whose address: a backend's by its index, or one of these. */
const CLIENT: i32 = -1;
const FRONTEND: i32 = -2;
/** An Address is whose it is, plus this: never null. */
const ADDRESS_BASE: i32 = 3;

const FLAG_LOCAL: u32 = 1;
const FLAG_READY: u32 = 2;
const FLAG_TERMINATING: u32 = 4;

const STATE_NUMBERS: u32 = 256;

@final @unmanaged export class Address {
  @inline get high(): u64 { return __addressHigh(<i32>changetype<usize>(this) - ADDRESS_BASE); }
  @inline get low(): u64 { return __addressLow(<i32>changetype<usize>(this) - ADDRESS_BASE); }
  get isIPv4(): bool { return this.high === 0 && this.low >> 32 === 0xffff; }
  get ipv4(): u32 { return this.isIPv4 ? <u32>this.low : 0; }
  get hash(): u32 {
    const mixed = this.high * 0x9e3779b97f4a7c15 ^ this.low;
    return hash32(<u32>(mixed >> 32) * 0x9e3779b1 ^ <u32>mixed);
  }
  equals(other: Address): bool { return this.high === other.high && this.low === other.low; }
  isIn(network: string): bool { return isInNetwork(this.high, this.low, network); }
}

@final @unmanaged export class Backend {
  @inline get index(): i32 { return <i32>changetype<usize>(this) - 1; }
  @inline get address(): Address { return changetype<Address>(<usize>(this.index + ADDRESS_BASE)); }
  @inline get port(): i32 { return __port(this.index); }
  @inline get isLocal(): bool { return (__flags(this.index) & FLAG_LOCAL) !== 0; }
  @inline get isReady(): bool { return (__flags(this.index) & FLAG_READY) !== 0; }
  @inline get isTerminating(): bool { return (__flags(this.index) & FLAG_TERMINATING) !== 0; }
  @inline get zone(): i32 { return __zone(this.index); }
  @inline get node(): i32 { return __node(this.index); }
  @inline get group(): i32 { return __group(this.index); }
  @inline get hash(): u32 { return __hash(this.index); }
  @inline get open(): i32 { return __open(this.index); }
  @inline get opened(): i32 { return __opened(this.index); }
  @inline get failures(): i32 { return __failures(this.index); }
  @inline get connectTime(): i32 { return __connectTime(this.index); }
}

@final @unmanaged export class Backends {
  @inline get length(): i32 { return __length(); }
  @operator("[]") @inline at(index: i32): Backend {
    assert(<u32>index < <u32>__length(), "no such backend");
    return changetype<Backend>(<usize>(index + 1));
  }
  @inline any(): Backend { return changetype<Backend>(<usize>(__any() + 1)); }
  @inline anyOf(group: i32): Backend | null {
    return changetype<Backend | null>(<usize>(__anyOf(group) + 1));
  }
  @inline byHash(hash: u32): Backend {
    const index = __byHash(hash);
    assert(index >= 0, "byHash too often in one pick");
    return changetype<Backend>(<usize>(index + 1));
  }
  @inline find(address: Address, port: i32 = 0): Backend | null {
    return changetype<Backend | null>(<usize>(__find(address.high, address.low, port) + 1));
  }
  @inline findIPv4(address: u32, port: i32 = 0): Backend | null {
    return changetype<Backend | null>(<usize>(__find(0, 0xffff00000000 | <u64>address, port) + 1));
  }
  @inline get groups(): i32 { return __groups(); }
  @inline groupSize(group: i32): i32 { return __groupSize(group); }
}

@final @unmanaged export class Connection {
  @inline get client(): Address { return changetype<Address>(<usize>(CLIENT + ADDRESS_BASE)); }
  @inline get clientPort(): i32 { return __port(CLIENT); }
  @inline get clientHash(): u32 { return this.client.hash; }
  @inline get frontend(): Address { return changetype<Address>(<usize>(FRONTEND + ADDRESS_BASE)); }
  @inline get frontendPort(): i32 { return __port(FRONTEND); }
  @inline get zone(): i32 { return __ownZone(); }
  @inline get seconds(): f64 { return __seconds(); }
  @inline get unixSeconds(): f64 { return __unixSeconds(); }
}

@final @unmanaged export class State {
  @inline get length(): i32 { return <i32>STATE_NUMBERS; }
  @operator("[]") @inline get(index: i32): u32 {
    assert(<u32>index < STATE_NUMBERS, "no such number of the state");
    return load<u32>(__state() + (<usize>index << 2));
  }
  @operator("[]=") @inline set(index: i32, value: u32): void {
    assert(<u32>index < STATE_NUMBERS, "no such number of the state");
    store<u32>(__state() + (<usize>index << 2), value);
  }
}

@lazy export const connection = changetype<Connection>(1);
@lazy export const backends = changetype<Backends>(1);
@lazy export const state = changetype<State>(1);

@inline export function random(limit: i32): i32 { return __random(limit); }

@inline export function ipv4(a: u32, b: u32, c: u32, d: u32): u32 {
  return a << 24 | b << 16 | c << 8 | d;
}

export function hash32(value: u32): u32 {
  value = (value ^ (value >> 16)) * 0x7feb352d;
  value = (value ^ (value >> 15)) * 0x846ca68b;
  return value ^ (value >> 16);
}
