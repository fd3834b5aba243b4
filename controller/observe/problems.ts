// Bad input, kept for people: which problems there are now, and each told once when it appears and
// once when it is gone.

import type { Problem } from "../model/types.ts";

export interface ProblemListener {
  appeared(problem: Problem): void;
  solved(problem: Problem): void;
}

export class Problems {
  readonly #bySource = new Map<string, ReadonlyMap<string, Problem>>();
  readonly #listener: ProblemListener;

  constructor(listener: ProblemListener) {
    this.#listener = listener;
  }

  /** Replaces what `source` (a part of the controller) has to report; an empty list clears it. */
  report(source: string, problems: readonly Problem[]): void {
    const before = this.#bySource.get(source) ?? new Map<string, Problem>();
    const now = new Map(problems.map((problem) => [identity(problem), problem]));
    if (now.size > 0) this.#bySource.set(source, now);
    else this.#bySource.delete(source);
    for (const [id, problem] of now) if (!before.has(id)) this.#listener.appeared(problem);
    for (const [id, problem] of before) if (!now.has(id)) this.#listener.solved(problem);
  }

  /** All present problems, sorted by object and message. */
  list(): Problem[] {
    const all = [...this.#bySource.values()].flatMap((problems) => [...problems.values()]);
    return all.sort((a, b) => (identity(a) < identity(b) ? -1 : 1));
  }

  /** How many each part of the controller reports: the first word of a source names the part. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [source, problems] of this.#bySource) {
      const [part = ""] = source.split(" ");
      counts.set(part, (counts.get(part) ?? 0) + problems.size);
    }
    return counts;
  }
}

function identity(problem: Problem): string {
  return `${problem.object}\0${problem.message}`;
}
