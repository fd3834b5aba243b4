// Runs a program such as nft or ip → what it printed, or an error that says how it failed.

import { spawn } from "node:child_process";
import { shortageForProgram } from "../system/shortage.ts";

export interface Printed {
  code: number;
  stdout: string;
  stderr: string;
}

/** Rejects when the program cannot be started; error.code is then ENOENT or EACCES. */
export type RunProgram = (
  program: string,
  args: readonly string[],
  input: string,
) => Promise<Printed>;

/** A program that has not ended after this long is killed. */
const TIMEOUT_MS = 30_000;

export const runProgram: RunProgram = (program, args, input) =>
  new Promise((resolve, reject) => {
    const shortage = shortageForProgram();
    if (shortage) {
      reject(
        Object.assign(new Error(`spawn ${program} ${shortage.code}`), { code: shortage.code }),
      );
      return;
    }
    const child = spawn(program, [...args]);
    // Not spawn's own timeout: its timer keeps running for a program that could not be started.
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    // Where no descriptor is left, Node gives a child without streams, and its error comes later.
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({
        code: code ?? 137,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
    // A program that ends before it has read everything says why on stderr.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
