// One program of the control plane as a child process: started, watched, ended with this process.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Has the kernel end the child if this process is killed; where there is setpriv (util-linux). */
const DIE_WITH_PARENT: readonly string[] =
  spawnSync("setpriv", ["--pdeathsig", "KILL", "true"]).status === 0
    ? ["setpriv", "--pdeathsig", "KILL"]
    : [];

export class RunningProgram {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #logFile: string;

  /** The program's output is appended to `logFile`. `command` is the program and its parameters. */
  constructor(name: string, command: readonly string[], logFile: string) {
    this.#name = name;
    this.#logFile = logFile;
    const log = openSync(logFile, "a");
    const [file = "", ...parameters] = [...DIE_WITH_PARENT, ...command];
    this.#child = spawn(file, parameters, { stdio: ["ignore", log, log] });
    closeSync(log);
    running.add(this.#child);
    this.#child.once("exit", () => running.delete(this.#child));
    this.#child.once("error", () => running.delete(this.#child));
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return running.has(this.#child);
  }

  /** The same as `result`; throws as assertRunning does when the program ends before. */
  async unlessEnded<T>(result: Promise<T>): Promise<T> {
    this.assertRunning();
    const ended = once(this.#child, "exit").then(() => this.assertRunning());
    await Promise.race([result, ended]);
    return result;
  }

  /** Throws with the end of its log when the program is not running any more. */
  assertRunning(): void {
    if (this.isRunning) return;
    const end = readFileSync(this.#logFile, "utf8").trimEnd().split("\n").slice(-15).join("\n");
    throw new Error(`${this.#name} ended (${this.#child.exitCode}). End of its log:\n${end}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends the signal and waits for the end; at once when it has ended already. */
  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (!running.has(this.#child)) return;
    const ended = once(this.#child, "exit");
    this.#child.kill(signal);
    await ended;
  }
}
