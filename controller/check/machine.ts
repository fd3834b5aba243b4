// The node as the reading part of `portico check` sees it: programs, files, one HTTP request. All
// of it only reads. Whatever is missing is undefined or empty, never an error.

import { readdir, readFile, readlink } from "node:fs/promises";
import { get } from "node:http";
import { type Printed, runProgram } from "../capture/program.ts";

const PATIENCE_MS = 2_000;

export interface Machine {
  /** Undefined when the program cannot be started. */
  run(program: string, args: readonly string[], input?: string): Promise<Printed | undefined>;
  /** Trimmed. */
  file(path: string): Promise<string | undefined>;
  /** Names in a directory. */
  names(directory: string): Promise<string[]>;
  /** Where a symbolic link leads. */
  link(path: string): Promise<string | undefined>;
  /** The body of an answer of status 200. */
  get(url: string): Promise<string | undefined>;
}

export const thisMachine: Machine = {
  run: (program, args, input = "") => runProgram(program, args, input).catch(() => undefined),
  file: (path) =>
    readFile(path, "utf8").then(
      (text) => text.trim(),
      () => undefined,
    ),
  names: (directory) => readdir(directory).catch(() => []),
  link: (path) => readlink(path).catch(() => undefined),
  get: bodyOf,
};

/** Not fetch, which keeps connecting after an abort, and keeps the process alive. */
function bodyOf(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const asked = get(url, { signal }, async (response) => {
      const chunks = await Array.fromAsync(response).catch(() => []);
      resolve(response.statusCode === 200 ? Buffer.concat(chunks).toString().trim() : undefined);
    });
    asked.on("error", () => resolve(undefined));
  });
}
