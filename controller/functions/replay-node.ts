// A node of a replay: it answers what functions ask of the API, and counts what is open. It stands
// for the plugin, so numbers have the meaning that portico.d.ts gives them.

import { API, isInlined } from "../linker/api.ts";
import { addressBytes } from "../model/ip.ts";
import type { ReplayBackend, ReplayConnection, Traffic } from "./replay-connections.ts";

const CLIENT = -1;
const FRONTEND = "10.96.0.10";
const FRONTEND_PORT = 80;
const OWN_ZONE = 1;
const FLAG_LOCAL = 1;
const FLAG_READY = 2;
const IPV4_MAPPED = 0xffffn << 32n;
/** As the plugin has it: each looks at all backends. */
const HASH_PICKS = 4;
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Of the first backend; each further one takes a tenth longer. */
const CONNECT_MICROSECONDS = 200;

interface Halves {
  readonly high: bigint;
  readonly low: bigint;
}

/** An index of a backend, or -1. */
type Index = number;

export class ReplayNode {
  readonly backends: readonly ReplayBackend[];
  readonly open: number[];
  readonly opened: number[];
  readonly #addresses: readonly Halves[];
  readonly #hashes: readonly number[];
  readonly #groups: readonly (readonly Index[])[];
  readonly #frontend = halvesOf(FRONTEND);
  readonly #random: (limit: number) => number;
  #client: Halves = { high: 0n, low: 0n };
  #clientPort = 0;
  #hashPicksLeft = HASH_PICKS;
  /** Connections so far: ten a second. */
  #count = 0;
  readonly #startSeconds: number;

  /** `startSeconds`: since 1970, when the first connection comes. */
  constructor({ backends }: Traffic, random: (limit: number) => number, startSeconds: number) {
    this.backends = backends;
    this.open = backends.map(() => 0);
    this.opened = backends.map(() => 0);
    this.#addresses = backends.map(({ address }) => halvesOf(address));
    this.#hashes = backends.map(({ address, port }) => hashOf(`${address} ${port}`));
    const groups = Math.max(0, ...backends.map(({ group }) => group)) + 1;
    this.#groups = Array.from({ length: groups }, (_, group) =>
      backends.flatMap((each, index) => (each.group === group ? [index] : [])),
    );
    this.#random = random;
    this.#startSeconds = startSeconds;
  }

  begin({ client, clientPort }: ReplayConnection): void {
    this.#client = halvesOf(client);
    this.#clientPort = clientPort;
    this.#count++;
  }

  /** A function is asked, perhaps again for the same connection. */
  beginPick(): void {
    this.#hashPicksLeft = HASH_PICKS;
  }

  any(): Index {
    return this.#random(this.backends.length);
  }

  /** The API's functions by name, as a linked host module imports them. */
  imports(): Record<string, (...values: never[]) => number | bigint> {
    const answers: Record<string, (...values: never[]) => number | bigint> = {
      any: () => this.any(),
      anyOf: (group: number) => this.#anyOf(group),
      byHash: (hash: number) => this.#byHash(hash),
      find: (high: bigint, low: bigint, port: number) => this.#find(high, low, port),
      random: (limit: number) => (limit > 0 ? this.#random(limit) : 0),
      addressHigh: (who: number) => this.#address(who).high,
      addressLow: (who: number) => this.#address(who).low,
      port: (who: number) => this.#port(who),
      hash: (who: number) => this.#hashes[who] ?? 0,
      flags: (index: number) => FLAG_READY | (this.backends[index]?.isLocal ? FLAG_LOCAL : 0),
      zone: (index: number) => this.backends[index]?.zone ?? 0,
      node: (index: number) => index + 1,
      group: (index: number) => this.backends[index]?.group ?? 0,
      open: (index: number) => this.open[index] ?? 0,
      opened: (index: number) => this.opened[index] ?? 0,
      failures: () => 0,
      connectTime: (index: number) => Math.round(CONNECT_MICROSECONDS * 1.1 ** (index % 20)),
      groups: () => this.#groups.length,
      groupSize: (group: number) => this.#groups[group]?.length ?? 0,
      ownZone: () => OWN_ZONE,
      seconds: () => this.#count / 10,
      unixSeconds: () => this.#startSeconds + this.#count / 10,
    };
    const missing = [...API.keys()].find((name) => !isInlined(name) && !answers[name]);
    if (missing !== undefined) throw new Error(`the replay has no ${missing}`);
    return answers;
  }

  #anyOf(group: number): Index {
    const members = this.#groups[group] ?? [];
    return members.length === 0 ? -1 : (members[this.#random(members.length)] ?? -1);
  }

  /** The one with the highest number made of both hashes; -1 when it is asked too often. */
  #byHash(hash: number): Index {
    if (this.#hashPicksLeft-- <= 0) return -1;
    let best = 0;
    let highest = -1;
    for (const [index, own] of this.#hashes.entries()) {
      const weight = mix((own ^ hash) >>> 0);
      if (weight > highest) [best, highest] = [index, weight];
    }
    return best;
  }

  #find(high: bigint, low: bigint, port: number): Index {
    const wanted = { high: BigInt.asUintN(64, high), low: BigInt.asUintN(64, low) };
    return this.#addresses.findIndex(
      (each, index) =>
        each.high === wanted.high &&
        each.low === wanted.low &&
        (port === 0 || this.backends[index]?.port === port),
    );
  }

  #address(who: number): Halves {
    if (who === CLIENT) return this.#client;
    return who < 0 ? this.#frontend : (this.#addresses[who] ?? { high: 0n, low: 0n });
  }

  #port(who: number): number {
    if (who === CLIENT) return this.#clientPort;
    return who < 0 ? FRONTEND_PORT : (this.backends[who]?.port ?? 0);
  }
}

function halvesOf(address: string): Halves {
  const bytes = Buffer.from(addressBytes(address));
  if (bytes.length === 4) return { high: 0n, low: IPV4_MAPPED | BigInt(bytes.readUInt32BE()) };
  return { high: bytes.readBigUInt64BE(), low: bytes.readBigUInt64BE(8) };
}

function hashOf(text: string): number {
  let hash = FNV_BASIS;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME) >>> 0;
  }
  return hash;
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
