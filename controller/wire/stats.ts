// What the plugin counted per Service: bytes of GET /v1/stats → entries. Layout:
// plugin/wire/stats-layout.ts. The controller knows which Service an entry belongs to:
// service-id.ts.

import { FAMILY_IPV4 } from "../../plugin/wire/layout.ts";
import {
  STATS_ADDRESS_OFFSET,
  STATS_BUCKET_COUNT,
  STATS_CLOSED,
  STATS_CONNECT_BUCKETS,
  STATS_CONNECT_NANOSECONDS,
  STATS_DURATION_BUCKETS,
  STATS_DURATION_NANOSECONDS,
  STATS_ENTRY_BYTES,
  STATS_FAILED_OTHERWISE,
  STATS_FAMILY_OFFSET,
  STATS_HEADER_BYTES,
  STATS_KEY_BYTES,
  STATS_LIMITED,
  STATS_LIMITED_NEW,
  STATS_MAGIC,
  STATS_NO_BACKEND,
  STATS_NUMBER_COUNT,
  STATS_NUMBER_COUNT_OFFSET,
  STATS_OPENED,
  STATS_PORT_OFFSET,
  STATS_RECEIVED_BYTES,
  STATS_REFUSED,
  STATS_RETRIED,
  STATS_SENT_BYTES,
  STATS_TIMED_OUT,
  STATS_VERSION,
  STATS_VERSION_OFFSET,
} from "../../plugin/wire/stats-layout.ts";
import { readAddress } from "./address-bytes.ts";

/** Values by bucket, not cumulative; the last bucket has those over all bounds. */
export interface Histogram {
  buckets: number[];
  /** Sum of all values, in seconds. */
  seconds: number;
}

/** Totals since Envoy started. */
export interface Counters {
  /** Connections that got a backend. */
  opened: number;
  /** Those of them that have ended, including failed ones. */
  closed: number;
  /** Why clients were not served; all but noBackend were opened before. */
  failed: { refused: number; timedOut: number; noBackend: number; other: number };
  /** Connections that were refused by a limit of their Service: how many at once, or a second. */
  limited: { connections: number; newConnections: number };
  /** Connections that a backend accepted after an earlier attempt had failed. */
  retried: number;
  /** From clients, to clients. */
  receivedBytes: number;
  sentBytes: number;
  /** Time until the backend accepted, by CONNECT_BOUNDS_SECONDS; only where it did. */
  connect: Histogram;
  /** Lifetime of those that have ended, by DURATION_BOUNDS_SECONDS. */
  duration: Histogram;
}

export interface StatsEntry {
  /** The service id, 16 hex digits. All zero: what did not fit. */
  serviceId: string;
  /** Absent: the whole ServicePort. */
  backend: { address: string; port: number } | undefined;
  counters: Counters;
  /** STATS_KEY_BYTES, with which the plugin can forget it. A view into the answer. */
  keyBytes: Uint8Array;
}

/** The answer is not of this STATS_VERSION. */
export class StatsError extends Error {
  override readonly name = "StatsError";
}

/** Service id of what did not fit into its page. */
export const OTHER_SERVICE_ID = "0".repeat(16);

function histogramAt(number: (index: number) => number, sum: number, first: number): Histogram {
  const buckets = Array.from({ length: STATS_BUCKET_COUNT }, (_, i) => number(first + i));
  return { buckets, seconds: number(sum) / 1e9 };
}

function countersFrom(number: (index: number) => number): Counters {
  return {
    opened: number(STATS_OPENED),
    closed: number(STATS_CLOSED),
    failed: {
      refused: number(STATS_REFUSED),
      timedOut: number(STATS_TIMED_OUT),
      noBackend: number(STATS_NO_BACKEND),
      other: number(STATS_FAILED_OTHERWISE),
    },
    limited: { connections: number(STATS_LIMITED), newConnections: number(STATS_LIMITED_NEW) },
    retried: number(STATS_RETRIED),
    receivedBytes: number(STATS_RECEIVED_BYTES),
    sentBytes: number(STATS_SENT_BYTES),
    connect: histogramAt(number, STATS_CONNECT_NANOSECONDS, STATS_CONNECT_BUCKETS),
    duration: histogramAt(number, STATS_DURATION_NANOSECONDS, STATS_DURATION_BUCKETS),
  };
}

function entryAt(bytes: Buffer, offset: number): StatsEntry {
  const family = bytes.readUInt8(offset + STATS_FAMILY_OFFSET);
  const size = family === FAMILY_IPV4 ? 4 : 16;
  const address = () => readAddress(bytes, offset + STATS_ADDRESS_OFFSET, size);
  const port = bytes.readUInt16BE(offset + STATS_PORT_OFFSET);
  // As two halves: a BigInt for each would cost more than everything else. Exact up to 2^53.
  const number = (index: number) => {
    const at = offset + STATS_KEY_BYTES + index * 8;
    return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);
  };
  return {
    serviceId: bytes.toString("hex", offset, offset + STATS_FAMILY_OFFSET),
    backend: family === 0 ? undefined : { address: address(), port },
    counters: countersFrom(number),
    keyBytes: bytes.subarray(offset, offset + STATS_KEY_BYTES),
  };
}

/** Throws StatsError when the bytes are not a complete answer of this version. */
export function decodeStats(bytes: Buffer): StatsEntry[] {
  const rest = bytes.length - STATS_HEADER_BYTES;
  const version = rest < 0 ? 0 : bytes.readUInt16LE(STATS_VERSION_OFFSET);
  if (rest < 0 || bytes.readUInt32LE(0) !== STATS_MAGIC || version !== STATS_VERSION) {
    throw new StatsError(`no numbers of stats version ${STATS_VERSION} (magic or ${version})`);
  }
  const numbers = bytes.readUInt16LE(STATS_NUMBER_COUNT_OFFSET);
  if (numbers !== STATS_NUMBER_COUNT || rest % STATS_ENTRY_BYTES !== 0) {
    throw new StatsError(`${rest} bytes of entries with ${numbers} numbers are cut short`);
  }
  const count = rest / STATS_ENTRY_BYTES;
  return Array.from({ length: count }, (_, i) => {
    return entryAt(bytes, STATS_HEADER_BYTES + i * STATS_ENTRY_BYTES);
  });
}
