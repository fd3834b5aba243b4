// A function's source → its module, or its errors in words. asc runs in a process of its own,
// with limits on its memory and time.

import { spawn } from "node:child_process";
import { basename, dirname, resolve } from "node:path";
import type { FunctionModule } from "../linker/check-function.ts";
import { type Fault, faultsFrom } from "./asc-faults.ts";
import type { CompileRequest, CompileResult } from "./asc-process.ts";
import { findCompiler } from "./compiler.ts";
import { apiLibrary } from "./library.ts";

/** The hidden command that compiles; controller/cli/function-compile.ts. */
export const COMPILE_COMMAND = "function-compile";

const TIMEOUT_MS = 60_000;
const HEAP_MB = 768;
/** asc's own text beyond it is cut off. */
const MAX_ERROR_CHARACTERS = 64 * 1024;

export interface Compiled {
  /** Undefined where there are faults. */
  readonly module: FunctionModule | undefined;
  /** In the order of asc; empty where it compiles. */
  readonly faults: readonly Fault[];
}

/**
 * Compiles the function in a file. `program`: the arguments that start this command, without its
 * subcommand. Throws NoCompilerError, and Error when asc ends without an answer.
 */
export async function compileFunction(
  file: string,
  source: string,
  program: readonly string[],
): Promise<Compiled> {
  const name = functionName(file);
  const compiler = findCompiler(dirname(resolve(file)));
  const request: CompileRequest = { compiler, name, source, library: apiLibrary() };
  const { wasm, sourceMap, errors } = await inProcess(request, program);
  if (wasm === undefined) {
    return { module: undefined, faults: faultsFrom(errors.slice(0, MAX_ERROR_CHARACTERS), source) };
  }
  return {
    module: { name, wasm: new Uint8Array(Buffer.from(wasm, "base64")), sourceMap },
    faults: [],
  };
}

/** Returns the name of the function in a file: its base name without ".ts". Throws for others. */
export function functionName(file: string): string {
  const name = basename(file).replace(/\.ts$/, "");
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name) || !file.endsWith(".ts")) {
    throw new Error(
      `${file} cannot be a function's file: its name has to consist of small letters, digits and ` +
        'hyphens, and to end in ".ts", as least-open.ts',
    );
  }
  return name;
}

function inProcess(request: CompileRequest, program: readonly string[]): Promise<CompileResult> {
  const [command = process.execPath, ...rest] = program;
  const child = spawn(command, [`--max-old-space-size=${HEAP_MB}`, ...rest, COMPILE_COMMAND], {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const texts = { out: "", error: "" };
  child.stdout.on("data", (part: Buffer) => {
    texts.out += part;
  });
  child.stderr.on("data", (part: Buffer) => {
    texts.error = (texts.error + part).slice(-MAX_ERROR_CHARACTERS);
  });
  // It may end before it has read all; the exit code says why.
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(request));
  return new Promise((resolveResult, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolveResult(JSON.parse(texts.out) as CompileResult);
      else reject(new Error(endText(code, signal, texts.error)));
    });
  });
}

function endText(code: number | null, signal: NodeJS.Signals | null, error: string): string {
  if (signal === "SIGKILL") {
    return `asc did not end within ${TIMEOUT_MS / 1000} s, or was killed for its memory`;
  }
  return `asc failed and ended with ${signal ?? code}: ${error.trim() || "no output"}`;
}
