// Reports of states → their sum, for people.

import type { StateReport } from "./comparison.ts";

export class Totals {
  #states = 0;
  #asked = 0;
  #compared = 0;
  readonly #secondLooks: string[] = [];
  #differences = 0;
  readonly #intended = new Map<string, number>();

  add(report: StateReport): void {
    this.#states += 1;
    this.#asked += report.findings.length;
    this.#compared += report.comparedCount;
    this.#secondLooks.push(...report.secondLooks);
    this.#differences += report.differences.length;
    for (const id of report.intended) this.#intended.set(id, (this.#intended.get(id) ?? 0) + 1);
  }

  /** What was different only at first sight. */
  get secondLooks(): readonly string[] {
    return this.#secondLooks;
  }

  get states(): number {
    return this.#states;
  }

  get compared(): number {
    return this.#compared;
  }

  toString(): string {
    const intended = [...this.#intended].map(([id, count]) => `${count} ${id}`).join(", ");
    return (
      `${this.#states} states, ${this.#asked} connections of kube-proxy observed, ` +
      `${this.#compared} compared (${this.#secondLooks.length} looked at again), ` +
      `${this.#differences} differ, as intended: ${intended || "none"}`
    );
  }
}
