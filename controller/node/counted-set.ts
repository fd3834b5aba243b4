// A set whose members are there as long as somebody has added them more often than removed.

export class CountedSet {
  readonly #counts = new Map<string, number>();
  #sorted: readonly string[] | undefined = [];

  add(member: string): void {
    const count = this.#counts.get(member) ?? 0;
    this.#counts.set(member, count + 1);
    if (count === 0) this.#sorted = undefined;
  }

  /** One less. Removing what was not added is our bug. */
  remove(member: string): void {
    const count = this.#counts.get(member) ?? 0;
    if (count < 1) throw new Error(`CountedSet: ${member} removed, of which there are ${count}`);
    if (count > 1) this.#counts.set(member, count - 1);
    else {
      this.#counts.delete(member);
      this.#sorted = undefined;
    }
  }

  /** The members in the order of `compare`; the same array as long as they are the same. */
  sorted(compare: (a: string, b: string) => number): readonly string[] {
    this.#sorted ??= [...this.#counts.keys()].sort(compare);
    return this.#sorted;
  }
}
