// Two capture sets → the same two without what they have in common. So that what is made of them
// costs what differs: comparing 20,000 frontends takes 2 ms, writing them as nft does takes 20.

import { sameData } from "../model/same-data.ts";
import type { CaptureSet } from "../node/types.ts";

/** Entries that differ in their value alone are in both. */
export function differences(previous: CaptureSet, next: CaptureSet): [CaptureSet, CaptureSet] {
  const [before, after] = [{ ...previous }, { ...next }];
  for (const part of Object.keys(next) as (keyof CaptureSet)[]) narrow(part, before, after);
  return [before, after];
}

function narrow<K extends keyof CaptureSet>(
  part: K,
  before: { [part in K]: CaptureSet[K] },
  after: { [part in K]: CaptureSet[K] },
): void {
  const [previous, next] = [before[part], after[part]];
  before[part] = without(previous, next) as CaptureSet[K];
  after[part] = without(next, previous) as CaptureSet[K];
}

type Part = readonly string[] | ReadonlyMap<string, unknown>;

/** What `part` has and `other` has not, or with another value. */
function without(part: Part, other: Part): Part {
  if (part instanceof Map && other instanceof Map) return mapWithout(part, other);
  const [entries, others] = [part as readonly string[], other as readonly string[]];
  if (entries === others) return [];
  const present = new Set(others);
  return entries.filter((entry) => !present.has(entry));
}

function mapWithout<V>(
  part: ReadonlyMap<string, V>,
  other: ReadonlyMap<string, V>,
): ReadonlyMap<string, V> {
  const entries = new Map<string, V>();
  if (part === other) return entries;
  for (const [key, value] of part) {
    const others = other.get(key);
    if (value !== others && !sameData(value, others)) entries.set(key, value);
  }
  return entries;
}
