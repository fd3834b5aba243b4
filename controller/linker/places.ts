// A place in a function's module → the author's lines. What asc's own library does is shown as the
// lines that call it.

import type { Module } from "./module.ts";
import type { Mapping } from "./source-map.ts";

const MAX_LINES = 3;

/** A call from one function of the module to another. */
export interface OwnCall {
  /** Index among the module's functions with code. */
  readonly callee: number;
  readonly place: number;
}

export class Places {
  readonly #module: Module;
  readonly #mappings: readonly Mapping[];
  /** For each function with code, the places that call it. */
  readonly #callers: readonly (readonly number[])[];

  /** `calls`: for each function with code, what it calls. */
  constructor(
    module: Module,
    mappings: readonly Mapping[],
    calls: readonly (readonly OwnCall[])[] = [],
  ) {
    this.#module = module;
    this.#mappings = mappings;
    const callers: number[][] = module.functions.map(() => []);
    for (const call of calls.flat()) callers[call.callee]?.push(call.place);
    this.#callers = callers;
  }

  /**
   * Returns "pick.ts:9", or up to three such lines with " or " between them where a function is
   * called from several; undefined without a source map.
   */
  lineOf(place: number): string | undefined {
    const lines = [...this.#linesOf(place, new Set())];
    if (lines.length === 0) return this.#nearest(place, () => true);
    return lines.slice(0, MAX_LINES).join(" or ");
  }

  /** Each function is visited once, so this ends in time linear in the calls. */
  #linesOf(place: number, visited: Set<number>): Set<string> {
    const own = this.#nearest(place, isAuthors);
    if (own !== undefined) return new Set([own]);
    const index = this.#functionAt(place);
    if (index < 0 || visited.has(index)) return new Set();
    visited.add(index);
    const lines = new Set<string>();
    for (const caller of this.#callers[index] ?? []) {
      for (const line of this.#linesOf(caller, visited)) lines.add(line);
    }
    return lines;
  }

  /** The last mapping at or before the place, in the same function. */
  #nearest(place: number, counts: (mapping: Mapping) => boolean): string | undefined {
    const code = this.#module.functions[this.#functionAt(place)];
    const start = code?.start ?? 0;
    const end = code?.end ?? Number.POSITIVE_INFINITY;
    const inside = this.#mappings.filter((each) => each.place >= start && each.place < end);
    const before = inside.findLast((each) => each.place <= place && counts(each));
    const found = before ?? inside.find(counts);
    return found && `${found.source}:${found.line}`;
  }

  #functionAt(place: number): number {
    return this.#module.functions.findIndex((code) => place >= code.start && place < code.end);
  }
}

function isAuthors(mapping: Mapping): boolean {
  return !mapping.source.startsWith("~");
}
