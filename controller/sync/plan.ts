// What the service table of Envoy has, against what it should have → what to push, and when. Pure.

import type { FrontendKey } from "../node/types.ts";

/** A frontend as it stands in the table, or is to stand there. */
export interface TableEntry {
  /** The key alone, as removals carry it. */
  key: Uint8Array;
  /** The whole record; equal bytes mean nothing to do. */
  record: Uint8Array;
  backendCount: number;
}

export type Table = ReadonlyMap<FrontendKey, TableEntry>;

export interface PushPlan {
  /** Pushed before the kernel hands over anything new. */
  first: FrontendKey[];
  /**
   * Pushed after the kernel has stopped handing over: frontends that are to go, and those that
   * lose their last backend. Until then they keep the backends they had.
   */
  last: FrontendKey[];
}

/** Compares the two at `keys`; both lists come back sorted, so that the same work has one order. */
export function planPushes(
  programmed: Table,
  desired: Table,
  keys: Iterable<FrontendKey>,
): PushPlan {
  const first: FrontendKey[] = [];
  const last: FrontendKey[] = [];
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
