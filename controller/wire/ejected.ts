// Which backends fail, as the plugin remembers: bytes of GET /v1/ejected → entries. Layout:
// plugin/wire/eject-layout.ts. The plugin reads the bytes from memory that custom code may write,
// so each entry is checked, and a wrong one left out.

import {
  EJECT_BACKEND_OFFSET,
  EJECT_CLIENT_OFFSET,
  EJECT_ENTRY_BYTES,
  EJECT_FAILURES_OFFSET,
  EJECT_FAMILY_OFFSET,
  EJECT_FLAGS_OFFSET,
  EJECT_FOR_ALL,
  EJECT_HEADER_BYTES,
  EJECT_MAGIC,
  EJECT_NOW_OFFSET,
  EJECT_PORT_OFFSET,
  EJECT_PROBED,
  EJECT_REASON_OFFSET,
  EJECT_REFUSED,
  EJECT_SERVES_OTHERS,
  EJECT_SINCE_OFFSET,
  EJECT_STRIKES_OFFSET,
  EJECT_TIMED_OUT,
  EJECT_UNREACHABLE,
  EJECT_UNTIL_OFFSET,
  EJECT_VERSION,
  EJECT_VERSION_OFFSET,
} from "../../plugin/wire/eject-layout.ts";
import { FAMILY_IPV4, FAMILY_IPV6 } from "../../plugin/wire/layout.ts";
import { readAddress } from "./address-bytes.ts";

/** Why the last attempt failed: it was refused, not answered in time, or there was no route. */
type EjectionReason = "refused" | "timed-out" | "unreachable";

/** A backend that new connections leave alone, or would if the rest of its list were enough. */
export interface Ejection {
  backend: { address: string; port: number };
  /** The only client that it is ejected for; undefined: it is for all. */
  client: string | undefined;
  reason: EjectionReason;
  /** Of its time, until one connection tries it; 0: the next connection may. */
  secondsLeft: number;
  /** Since the first failure of this row. */
  secondsSince: number;
  /** How often it was ejected in a row. */
  strikes: number;
  /** Attempts that failed and counted. */
  failures: number;
  /** A connection tries it now; secondsLeft is then until it no longer counts. */
  isProbed: boolean;
  /** It has served another client since it failed this one. */
  servesOthers: boolean;
}

/** The answer is not of this EJECT_VERSION. */
export class EjectedError extends Error {
  override readonly name = "EjectedError";
}

const REASONS: ReadonlyMap<number, EjectionReason> = new Map([
  [EJECT_REFUSED, "refused"],
  [EJECT_TIMED_OUT, "timed-out"],
  [EJECT_UNREACHABLE, "unreachable"],
]);

/** From `from` to `to`, nanoseconds; 0 if that is in the past. */
function secondsBetween(from: bigint, to: bigint): number {
  return to > from ? Number(to - from) / 1e9 : 0;
}

/** Returns undefined for an entry that is none, and for one that is only noted. */
function ejectionAt(bytes: Buffer, offset: number, now: bigint): Ejection | undefined {
  const family = bytes.readUInt8(offset + EJECT_FAMILY_OFFSET);
  const reason = REASONS.get(bytes.readUInt8(offset + EJECT_REASON_OFFSET));
  const strikes = bytes.readUInt8(offset + EJECT_STRIKES_OFFSET);
  const isAddress = family === FAMILY_IPV4 || family === FAMILY_IPV6;
  if (!isAddress || !reason || strikes === 0) return undefined;
  const size = family === FAMILY_IPV4 ? 4 : 16;
  const flags = bytes.readUInt8(offset + EJECT_FLAGS_OFFSET);
  const isForAll = (flags & EJECT_FOR_ALL) !== 0;
  return {
    backend: {
      address: readAddress(bytes, offset + EJECT_BACKEND_OFFSET, size),
      port: bytes.readUInt16BE(offset + EJECT_PORT_OFFSET),
    },
    client: isForAll ? undefined : readAddress(bytes, offset + EJECT_CLIENT_OFFSET, size),
    reason,
    secondsLeft: secondsBetween(now, bytes.readBigUInt64LE(offset + EJECT_UNTIL_OFFSET)),
    secondsSince: secondsBetween(bytes.readBigUInt64LE(offset + EJECT_SINCE_OFFSET), now),
    strikes,
    failures: bytes.readUInt16LE(offset + EJECT_FAILURES_OFFSET),
    isProbed: (flags & EJECT_PROBED) !== 0,
    servesOthers: (flags & EJECT_SERVES_OTHERS) !== 0,
  };
}

/**
 * Returns what is ejected, oldest first: also what one connection may try again now. Throws
 * EjectedError when the bytes are not a complete answer of this version.
 */
export function decodeEjected(bytes: Buffer): Ejection[] {
  const rest = bytes.length - EJECT_HEADER_BYTES;
  const version = rest < 0 ? 0 : bytes.readUInt16LE(EJECT_VERSION_OFFSET);
  if (rest < 0 || bytes.readUInt32LE(0) !== EJECT_MAGIC || version !== EJECT_VERSION) {
    throw new EjectedError(`no ejections of version ${EJECT_VERSION} (magic or ${version})`);
  }
  if (rest % EJECT_ENTRY_BYTES !== 0) {
    throw new EjectedError(`${rest} bytes of ejections are cut short`);
  }
  const now = bytes.readBigUInt64LE(EJECT_NOW_OFFSET);
  return Array.from({ length: rest / EJECT_ENTRY_BYTES }, (_, index) =>
    ejectionAt(bytes, EJECT_HEADER_BYTES + index * EJECT_ENTRY_BYTES, now),
  ).filter((each) => each !== undefined);
}
