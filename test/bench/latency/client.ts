// A running until-answered.c → questions to it as promises, one at a time.

import type { ChildProcess } from "node:child_process";
import { LineProgram } from "../line-program.ts";

interface Question {
  address: string;
  port: number;
  /** Who is to answer. */
  name: string;
  /** How long one connection may take. */
  attemptMs: number;
  deadlineMs: number;
}

interface Answered {
  /** On the clock of nowMs(). */
  atMs: number;
  /** Connections that were refused, reset, or not answered in time. */
  failed: number;
}

/** The clock of the client's answers: CLOCK_MONOTONIC. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class Client {
  readonly #program: LineProgram;

  constructor(child: ChildProcess) {
    this.#program = new LineProgram(child, "until-answered");
  }

  /** Connects again and again until `name` answers; throws when it does not in time. */
  async untilAnswered(question: Question): Promise<Answered> {
    const { address, port, name, attemptMs, deadlineMs } = question;
    const text = await this.#program.ask(`${address} ${port} ${name} ${attemptMs} ${deadlineMs}`);
    const [nanoseconds = 0, attempts = 0, failed = 0] = text.split(" ").map(Number);
    if (nanoseconds > 0) return { atMs: nanoseconds / 1e6, failed };
    throw new Error(
      `${name} did not answer at ${address}:${port} within ${deadlineMs} ms ` +
        `(${attempts} connections, of which ${failed} failed)`,
    );
  }
}
