// The service table that Envoy has, and the one it should have → what to push, and when. Pure.

import { keyBytesOfRecord, type RecordKey } from "../wire/key.ts";

/** One list of a frontend, as it is or should be in the table. */
export interface TableEntry {
  /** The key alone, as removals carry it. */
  key: Uint8Array;
  /** The whole record; equal bytes mean nothing to do. */
  record: Uint8Array;
  backendCount: number;
}

/** An entry that finds its key in the record: to keep it takes 250 bytes more. */
export class RecordEntry implements TableEntry {
  readonly record: Uint8Array;
  readonly backendCount: number;

  constructor(record: Uint8Array, backendCount: number) {
    this.record = record;
    this.backendCount = backendCount;
  }

  get key(): Uint8Array {
    return keyBytesOfRecord(this.record);
  }
}

export type Table = ReadonlyMap<RecordKey, TableEntry>;

interface PushPlan {
  /** Pushed before the kernel hands over anything new. */
  first: RecordKey[];
  /**
   * Pushed after the kernel has stopped handing over: records to remove, and those that lose their
   * last backend. Until then they keep their backends.
   */
  last: RecordKey[];
}

/** Compares the two at `keys`; returns both lists sorted, so that the same work has one order. */
export function planPushes(programmed: Table, desired: Table, keys: Iterable<RecordKey>): PushPlan {
  const first: RecordKey[] = [];
  const last: RecordKey[] = [];
  for (const key of keys) {
    const before = programmed.get(key);
    const after = desired.get(key);
    if (before && after && sameBytes(before.record, after.record)) continue;
    const losesItsLast = before !== undefined && before.backendCount > 0 && !after?.backendCount;
    if (losesItsLast || (before && !after)) last.push(key);
    else if (after) first.push(key);
  }
  return { first: first.sort(), last: last.sort() };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || Buffer.compare(a, b) === 0;
}
