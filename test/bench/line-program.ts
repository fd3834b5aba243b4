// A child process that answers each line with a line.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export class LineProgram {
  readonly #child: ChildProcess;
  readonly #what: string;
  readonly #answers: AsyncIterator<string>;

  /** `what` names it in errors. */
  constructor(child: ChildProcess, what: string) {
    if (child.stdout === null) throw new Error(`${what} has no standard output`);
    this.#child = child;
    this.#what = what;
    child.stderr?.pipe(process.stderr);
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** One question at a time. Throws when the program ends before it answers. */
  async ask(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`${this.#what} ended at "${line}"`);
    return value;
  }

  /** Ends its input, and waits for its end. */
  async end(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }
}
