// Bad input, kept for operators: the present problems, each reported once when it appears and once
// when it is gone.

import type { Problem } from "../model/types.ts";

export interface ProblemListener {
  appeared(problem: Problem): void;
  solved(problem: Problem): void;
}

/** By identity; never empty. */
type Reported = ReadonlyMap<string, Problem>;

export class Problems {
  /** By source, and by what the problems are about. */
  readonly #bySource = new Map<string, Map<string, Reported>>();
  readonly #listener: ProblemListener;

  constructor(listener: ProblemListener) {
    this.#listener = listener;
  }

  /** Replaces what `source` (a part of the controller) reports; an empty list clears it. */
  report(source: string, problems: readonly Problem[]): void {
    this.reportAbout(source, "", problems);
  }

  /**
   * Replaces what `source` reports about one thing (a Service, a frontend), for sources whose
   * problems change one thing at a time. Two things of a source never have the same problem.
   */
  reportAbout(source: string, thing: string, problems: readonly Problem[]): void {
    const things = this.#bySource.get(source) ?? new Map<string, Reported>();
    const before = things.get(thing);
    if (!before && problems.length === 0) return;
    const now = new Map(problems.map((problem) => [identity(problem), problem]));
    if (now.size > 0) things.set(thing, now);
    else things.delete(thing);
    if (things.size > 0) this.#bySource.set(source, things);
    else this.#bySource.delete(source);
    for (const [id, problem] of now) if (!before?.has(id)) this.#listener.appeared(problem);
    for (const [id, problem] of before ?? []) if (!now.has(id)) this.#listener.solved(problem);
  }

  /** Returns all present problems, sorted by object and message. */
  list(): Problem[] {
    const all: Problem[] = [];
    for (const things of this.#bySource.values()) {
      for (const problems of things.values()) all.push(...problems.values());
    }
    return all.sort((a, b) => (identity(a) < identity(b) ? -1 : 1));
  }

  /** Returns how many each part of the controller reports: a source's first word names the part. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [source, things] of this.#bySource) {
      const [part = ""] = source.split(" ");
      for (const { size } of things.values()) counts.set(part, (counts.get(part) ?? 0) + size);
    }
    return counts;
  }
}

function identity(problem: Problem): string {
  return `${problem.object}\0${problem.message}`;
}
