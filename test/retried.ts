// A run of tests → the names of those that passed only when they were tried again: printed, and
// appended to the file $RETRIED, a line each. A reporter of Vitest's, for the gate (.ci/run).

import { appendFileSync } from "node:fs";
import type { TestCase } from "vitest/node";

export default class Retried {
  readonly #names: string[] = [];

  onTestCaseResult(test: TestCase): void {
    if ((test.diagnostic()?.retryCount ?? 0) === 0) return;
    this.#names.push(`${test.module.relativeModuleId}: ${test.fullName}`);
  }

  onTestRunEnd(): void {
    if (this.#names.length === 0) return;
    const lines = this.#names.map((name) => `${name}\n`).join("");
    console.log(`tried again:\n${lines}`);
    if (process.env.RETRIED) appendFileSync(process.env.RETRIED, lines);
  }
}
