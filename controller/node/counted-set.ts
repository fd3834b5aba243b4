// A set that keeps a member while it was added more often than removed, and notes which members
// came and went.

import type { TextSet } from "./types.ts";

export class CountedSet implements TextSet {
  readonly #counts = new Map<string, number>();
  #changed = new Set<string>();

  has(member: string): boolean {
    return this.#counts.has(member);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#counts.keys();
  }

  add(member: string): void {
    const count = this.#counts.get(member) ?? 0;
    this.#counts.set(member, count + 1);
    if (count === 0) this.#changed.add(member);
  }

  /** Counts one less. Removing what was not added is a bug. */
  remove(member: string): void {
    const count = this.#counts.get(member) ?? 0;
    if (count < 1) throw new Error(`CountedSet: ${member} removed, of which there are ${count}`);
    if (count > 1) this.#counts.set(member, count - 1);
    else {
      this.#counts.delete(member);
      this.#changed.add(member);
    }
  }

  /** Returns the members that came or went since the last call, or both. */
  takeChanged(): ReadonlySet<string> {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }
}
