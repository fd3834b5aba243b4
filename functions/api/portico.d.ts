// The API of functions, version 1, for editors and tsc. A function is compiled by asc
// (AssemblyScript), so what is here of TypeScript's own library is what asc has.

// ---- Numbers. asc has integers of their own; `let i = 0` is an i32, `0.5` an f64.

declare type i8 = number;
declare type i16 = number;
declare type i32 = number;
declare type u8 = number;
declare type u16 = number;
declare type u32 = number;
declare type i64 = number;
declare type u64 = number;
declare type f32 = number;
declare type f64 = number;
declare type bool = boolean;
/** Converts: `i32(x)`. Floats are cut towards zero. */
declare function i32(value: number | boolean): i32;
declare function u32(value: number | boolean): u32;
declare function i64(value: number | boolean): i64;
declare function u64(value: number | boolean): u64;
declare function f32(value: number | boolean): f32;
declare function f64(value: number | boolean): f64;
declare function min<N extends number>(one: N, other: N): N;
declare function max<N extends number>(one: N, other: N): N;
declare function abs<N extends number>(value: N): N;
declare namespace Math {
  const PI: f64;
  function abs(value: f64): f64;
  function ceil(value: f64): f64;
  function exp(value: f64): f64;
  function floor(value: f64): f64;
  function log(value: f64): f64;
  function max(one: f64, other: f64): f64;
  function min(one: f64, other: f64): f64;
  function pow(base: f64, exponent: f64): f64;
  function round(value: f64): f64;
  function sqrt(value: f64): f64;
  function trunc(value: f64): f64;
}

/** Fails the pick, with the line: the connection gets the built-in pick. */
declare function assert(isTrue: unknown, message?: string): void;

// ---- What a function gets

/** The connection that needs a backend. */
interface Connection {
  readonly client: Address;
  readonly clientPort: i32;
  /** The same for the same address, on every node. */
  readonly clientHash: u32;
  /** What the client dialled. */
  readonly frontend: Address;
  readonly frontendPort: i32;
  /** The zone of this node, as in Backend.zone; 0: unknown. */
  readonly zone: i32;
  /** Seconds of a clock that never jumps, and is the node's own. */
  readonly seconds: f64;
  /** Seconds since 1970, UTC. */
  readonly unixSeconds: f64;
}

/** IPv4 or IPv6. Compare with `equals`, not with `===`. */
interface Address {
  readonly isIPv4: bool;
  /** As a number, see ipv4(); 0 for an IPv6 address. */
  readonly ipv4: u32;
  /** The 16 bytes in two halves, IPv4 as ::ffff:a.b.c.d. */
  readonly high: u64;
  readonly low: u64;
  readonly hash: u32;
  equals(other: Address): bool;
  /** "10.1.0.0/16", "fd00::/8", or an address. A text that is none of these fails the pick. */
  isIn(network: string): bool;
}

/** One backend of the list. */
interface Backend {
  /** Its place in the list, from 0. The order is that of addresses, the same on every node. */
  readonly index: i32;
  readonly address: Address;
  readonly port: i32;
  /** It is on this node. */
  readonly isLocal: bool;
  readonly isReady: bool;
  /** It shuts down, and still serves. */
  readonly isTerminating: bool;
  /** A number for each zone, of this node only; 0: unknown. */
  readonly zone: i32;
  /** A number for each node, of this node only; 0: unknown. */
  readonly node: i32;
  /** 0: the Service's own. 1, 2, …: the Services that it names as groups, in that order. */
  readonly group: i32;
  /** Of address and port; the same on every node. */
  readonly hash: u32;
  /** Connections from this node that are open now. */
  readonly open: i32;
  /** Connections from this node since it is in the list. */
  readonly opened: i32;
  /** Attempts from this node that it did not accept, since it is in the list. */
  readonly failures: i32;
  /** Moving average of the time to connect from this node, in microseconds; 0: unknown. */
  readonly connectTime: i32;
}

/** The backends of the Service: at least one. */
interface Backends {
  readonly length: i32;
  /** An index that is not in the list fails the pick. */
  readonly [index: number]: Backend;
  /** One at random, each as likely. */
  any(): Backend;
  /** One of a group at random; null if the group has none. */
  anyOf(group: i32): Backend | null;
  /**
   * The same for the same hash. When backends come and go, few hashes get another one. It looks at
   * all backends, so a fifth call in one pick fails the pick.
   */
  byHash(hash: u32): Backend;
  /** The backend at an address, and at a port unless that is 0; null if there is none. */
  find(address: Address, port?: i32): Backend | null;
  /** The same for an address as ipv4() gives it. */
  findIPv4(address: u32, port?: i32): Backend | null;
  /** How many groups there are, with the Service's own: at least 1. */
  readonly groups: i32;
  groupSize(group: i32): i32;
}

/**
 * 256 numbers that stay from one pick of this Service to the next, at first 0: per worker of Envoy,
 * not shared. A pick that fails changes nothing. `export const stateShape: i32 = 2` starts with
 * zeros again where the numbers mean something else than in the version before.
 */
interface State {
  readonly length: i32;
  [index: number]: u32;
}

declare const state: State;

/** 0 to limit - 1, each as likely. */
declare function random(limit: i32): i32;
/** Mixes a number. */
declare function hash32(value: u32): u32;
/** 10.0.0.1 is ipv4(10, 0, 0, 1). */
declare function ipv4(a: u32, b: u32, c: u32, d: u32): u32;

// ---- Of TypeScript's own library

interface Array<Item> {
  length: i32;
  [index: number]: Item;
  push(item: Item): i32;
  pop(): Item;
  fill(value: Item, start?: i32, end?: i32): this;
  includes(item: Item): bool;
  indexOf(item: Item): i32;
  sort(compare?: (one: Item, other: Item) => i32): this;
}
interface ArrayConstructor {
  new <Item>(length?: i32): Array<Item>;
}
declare const Array: ArrayConstructor;
/** An array whose length does not change: the fastest. As a constant it costs nothing. */
interface StaticArray<Item> {
  readonly length: i32;
  [index: number]: Item;
  fill(value: Item, start?: i32, end?: i32): this;
  includes(item: Item): bool;
  indexOf(item: Item): i32;
}
interface StaticArrayConstructor {
  new <Item>(length: i32): StaticArray<Item>;
}
declare const StaticArray: StaticArrayConstructor;
declare class Map<Key, Value> {
  readonly size: i32;
  has(key: Key): bool;
  get(key: Key): Value;
  set(key: Key, value: Value): this;
  delete(key: Key): bool;
  keys(): Array<Key>;
  values(): Array<Value>;
}
declare class Set<Item> {
  readonly size: i32;
  has(item: Item): bool;
  add(item: Item): this;
  delete(item: Item): bool;
  values(): Array<Item>;
}
interface String {
  readonly length: i32;
  charCodeAt(index: i32): i32;
  includes(text: string): bool;
  indexOf(text: string): i32;
  startsWith(text: string): bool;
  endsWith(text: string): bool;
  substring(start: i32, end?: i32): string;
}
declare class Error {
  constructor(message?: string);
  message: string;
}
interface Boolean {}
interface Number {}
interface Object {}
interface RegExp {}
interface IArguments {}
interface CallableFunction {}
interface NewableFunction {}
interface Function {}
