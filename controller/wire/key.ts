// The identity of a frontend's list in bytes, the bucket it belongs to, and the order of a frame.
// Layout and hash: plugin/wire/layout.ts; test/wasm proves that the plugin hashes alike.

import {
  BUCKET_COUNT,
  FAMILY_IPV4,
  FAMILY_IPV6,
  HASH_OFFSET_BASIS,
  HASH_PRIME,
  KEY_ADDRESS_OFFSET,
  KEY_BYTES,
  KEY_FAMILY_OFFSET,
  KEY_LIST_LOCAL,
  KEY_PORT_OFFSET,
  KEY_PROTOCOL_OFFSET,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  RECORD_KEY_OFFSET,
} from "../../plugin/wire/layout.ts";
import type { IPFamily, Protocol } from "../model/types.ts";
import type { FrontendKey } from "../node/types.ts";
import { readAddress, writeAddress } from "./address-bytes.ts";

export interface FrontendIdentity {
  family: IPFamily;
  /** Canonical text. */
  address: string;
  port: number;
  protocol: Protocol;
}

/**
 * Which of a frontend's lists a record holds. local: what clients from outside get under
 * externalTrafficPolicy Local; cluster: what all other clients get, and the only list without it.
 */
export type BackendList = "cluster" | "local";

/** The name of a record in the table: a FrontendKey, followed by " local" for its local list. */
export type RecordKey = string;

/** Returns the key of one list of a frontend: the frontend's own for the cluster list. */
export function recordKey(frontend: FrontendKey, list: BackendList): RecordKey {
  return list === "local" ? `${frontend} local` : frontend;
}

const PROTOCOL_NUMBERS: Record<Protocol, number> = {
  TCP: PROTOCOL_TCP,
  UDP: PROTOCOL_UDP,
  SCTP: PROTOCOL_SCTP,
};

function protocolFromNumber(number: number | undefined): Protocol {
  if (number === PROTOCOL_TCP) return "TCP";
  return number === PROTOCOL_UDP ? "UDP" : "SCTP";
}

/** Writes KEY_BYTES at offset; the bytes there must be 0. */
export function writeKey(
  frontend: FrontendIdentity,
  list: BackendList,
  bytes: Uint8Array,
  offset: number,
): void {
  const family = frontend.family === "IPv4" ? FAMILY_IPV4 : FAMILY_IPV6;
  bytes[offset + KEY_FAMILY_OFFSET] = list === "local" ? family | KEY_LIST_LOCAL : family;
  bytes[offset + KEY_PROTOCOL_OFFSET] = PROTOCOL_NUMBERS[frontend.protocol];
  bytes[offset + KEY_PORT_OFFSET] = frontend.port >> 8;
  bytes[offset + KEY_PORT_OFFSET + 1] = frontend.port & 0xff;
  writeAddress(frontend.address, bytes, offset + KEY_ADDRESS_OFFSET);
}

/** Returns the KEY_BYTES of a frontend's list, as in a delta's removals. */
export function keyBytesFromFrontend(
  frontend: FrontendIdentity,
  list: BackendList = "cluster",
): Uint8Array {
  const bytes = new Uint8Array(KEY_BYTES);
  writeKey(frontend, list, bytes, 0);
  return bytes;
}

/** Returns the same bytes from a record: a view of it. */
export function keyBytesOfRecord(record: Uint8Array): Uint8Array {
  return record.subarray(RECORD_KEY_OFFSET, RECORD_KEY_OFFSET + KEY_BYTES);
}

/** Reads the key at offset. */
export function readKey(
  bytes: Uint8Array,
  offset: number,
): FrontendIdentity & { list: BackendList } {
  const byte = bytes[offset + KEY_FAMILY_OFFSET] ?? 0;
  const family: IPFamily = (byte & ~KEY_LIST_LOCAL) === FAMILY_IPV4 ? "IPv4" : "IPv6";
  const port = offset + KEY_PORT_OFFSET;
  return {
    list: (byte & KEY_LIST_LOCAL) === 0 ? "cluster" : "local",
    family,
    address: readAddress(bytes, offset + KEY_ADDRESS_OFFSET, family === "IPv4" ? 4 : 16),
    port: ((bytes[port] ?? 0) << 8) | (bytes[port + 1] ?? 0),
    protocol: protocolFromNumber(bytes[offset + KEY_PROTOCOL_OFFSET]),
  };
}

/** Returns the bucket, 0 … BUCKET_COUNT - 1, of the key at offset. */
export function bucketOfKey(bytes: Uint8Array, offset = 0): number {
  let hash = HASH_OFFSET_BASIS;
  for (let i = offset; i < offset + KEY_BYTES; i++) {
    hash = Math.imul(hash ^ (bytes[i] ?? 0), HASH_PRIME);
  }
  return (hash >>> 0) & (BUCKET_COUNT - 1);
}
