// A program and its arguments → what it printed and its exit code. Runs it in the caller's network
// namespace; namespace.ts says which one that should be. No shell is involved.

import { spawn } from "node:child_process";

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  /** Written to standard input, which is then closed. */
  input?: string;
  /** Return the result of a program that failed instead of throwing. */
  allowFailure?: boolean;
  env?: Record<string, string>;
  /** The program is killed after this long; code is then 137. */
  timeoutMs?: number;
}

/** A program that ended with another code than 0; the message holds its standard error. */
class CommandError extends Error {
  readonly result: CommandResult;
  constructor(program: string, args: readonly string[], result: CommandResult) {
    const said = result.stderr.trim() || result.stdout.trim();
    super(`${[program, ...args].join(" ")}: exit code ${result.code}: ${said}`);
    this.result = result;
  }
}

/** Runs a program to its end; throws CommandError unless it ended with 0. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const result = await collect(program, args, options);
  if (result.code !== 0 && !options.allowFailure) throw new CommandError(program, args, result);
  return result;
}

function collect(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      env: { ...process.env, ...options.env },
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 60_000);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 137, stdout, stderr });
    });
    // A program that does not read its input closes the pipe early; its exit code says the rest.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** `ip` commands, one a line, as one process: in a namespace when one is named. */
export async function ipBatch(lines: readonly string[], namespace?: string): Promise<void> {
  if (lines.length === 0) return;
  const where = namespace === undefined ? [] : ["-n", namespace];
  await runCommand("ip", [...where, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}
