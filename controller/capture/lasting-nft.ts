// One `nft -i` for many changes of elements. To start a program for each takes 3 ms of CPU, half of
// it the controller's; and an nft that has deleted elements waits 10 to 40 ms at its end until the
// kernel has freed them. A change through a running nft takes 0.3 ms.
//
// nft reads one line at a time, applies it as one transaction, and prints why it could not. It
// prints nothing else, so each line is followed by a question that it must answer with an error of
// its own: to list a table that does not exist. An answer that comes alone, and in time, means that
// the change was applied. Anything else means that it may not have been; then this nft is ended,
// and there is no other for a minute.

import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { shortageForProgram } from "../system/shortage.ts";

/** Longer than any change takes, even on a busy node. */
const ANSWER_MS = 5_000;
/** A node at rest needs no process for this. */
const IDLE_MS = 10_000;
/** After a failure; nft may be built without `-i`. */
const RETRY_MS = 60_000;
/** nft remembers every line. */
const MAX_CHANGES = 1_000;
/** What is longer is worth a program of its own. */
const MAX_SCRIPT_LENGTH = 30_000;

export class LastingNft {
  readonly #program: () => string;
  #running: RunningNft | undefined;
  /** How often it was ended: a change that this happens to leaves nothing behind. */
  #ends = 0;
  /** On performance.now()'s clock. */
  #notBefore = 0;
  #cancelIdle = () => {};

  /** `program` returns the path of nft. */
  constructor(program: () => string) {
    this.#program = program;
  }

  /**
   * Applies a script of elementChanges(). Resolves to false when it cannot be known to be applied;
   * it may be all the same. One at a time.
   */
  async change(script: string): Promise<boolean> {
    if (performance.now() < this.#notBefore || script.length > MAX_SCRIPT_LENGTH) return false;
    this.#cancelIdle();
    const ends = this.#ends;
    const running = this.#running ?? (await started(this.#program()));
    if (ends !== this.#ends) {
      running?.end();
      return false;
    }
    this.#running = running;
    const isApplied = (await running?.change(inOneLine(script))) ?? false;
    if (ends !== this.#ends) return isApplied;
    if (!isApplied) this.#notBefore = performance.now() + RETRY_MS;
    if (!isApplied || this.#running?.isUsedUp) this.end();
    else this.#endWhenIdle();
    return isApplied;
  }

  /** Ends the process, if there is one. The next change starts another. */
  end(): void {
    this.#ends += 1;
    this.#cancelIdle();
    this.#running?.end();
    this.#running = undefined;
  }

  #endWhenIdle(): void {
    const timer = setTimeout(() => this.end(), IDLE_MS).unref();
    this.#cancelIdle = () => clearTimeout(timer);
  }
}

/** Returns undefined when it cannot be started, or does not answer. */
async function started(program: string): Promise<RunningNft | undefined> {
  if (shortageForProgram()) return undefined;
  const running = new RunningNft(program);
  if (await running.begin()) return running;
  running.end();
  return undefined;
}

class RunningNft {
  readonly #child: ChildProcess;
  #questions = 0;
  #printed = "";
  /** Called when it has printed something, or ended. */
  #look: (hasEnded: boolean) => void = () => {};

  constructor(program: string) {
    // nft writes the history of its lines to HOME.
    const env = { ...process.env, HOME: "/dev/null", TERM: "dumb" };
    // Its type allows for no streams: where no descriptor is left, Node gives a child without any,
    // and its error comes later.
    const child: ChildProcess = spawn(program, ["-i"], { env, stdio: ["pipe", "ignore", "pipe"] });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#printed += text;
      this.#look(false);
    });
    child.stdin?.on("error", () => {});
    child.on("error", () => this.#look(true));
    child.on("close", () => this.#look(true));
    // While it waits it keeps nothing from ending, and it ends with its input.
    child.unref();
    for (const stream of [child.stdin, child.stderr]) (stream as Socket | null)?.unref();
    this.#child = child;
  }

  get isUsedUp(): boolean {
    return this.#questions >= MAX_CHANGES;
  }

  /** Resolves to whether it takes lines. Its library may complain first, of a missing terminal. */
  async begin(): Promise<boolean> {
    return (await this.#answerTo("")) !== undefined;
  }

  /** Resolves to whether nft has applied the line; false once it has ended. */
  async change(line: string): Promise<boolean> {
    // The underline of the last answer, and the error of this one.
    return /^( *\^+\n)?Error: .*\n$/.test((await this.#answerTo(line)) ?? "");
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }

  /** Resolves to what it prints up to the table that is asked for; undefined: no answer. */
  #answerTo(line: string): Promise<string | undefined> {
    this.#questions += 1;
    const question = `list table inet portico_${this.#questions}_done\n`;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const timer = setTimeout(() => resolve(undefined), ANSWER_MS);
    this.#look = (hasEnded) => {
      const end = this.#printed.indexOf(question);
      if (hasEnded) resolve(undefined);
      if (end < 0) return;
      resolve(this.#printed.slice(0, end));
      this.#printed = this.#printed.slice(end + question.length);
    };
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) resolve(undefined);
    this.#child.stdin?.write(`${line}\n${question}`);
    return promise.finally(() => clearTimeout(timer));
  }
}

/** As elementChanges() writes commands: each begins a line, and ends with one that is "}". */
function inOneLine(script: string): string {
  const lines = script.trimEnd().split("\n");
  return lines.map((line) => (line === "}" ? "};" : line.trim())).join(" ");
}
