// C sources → programs, compiled once for each state of the sources into the cache directory. Does
// not run them.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { cacheDirectory } from "../../../envoy/find.ts";

const FLAGS = ["-O2", "-Wall", "-Wextra"];

export interface LoadPrograms {
  client: string;
  server: string;
  bulk: string;
  paced: string;
  hold: string;
}

/** Throws, saying what to install, when there is no C compiler. */
export function loadPrograms(): LoadPrograms {
  const names = ["client.c", "server.c", "bulk.c", "paced.c", "hold.c"];
  const all = compiled(names.map(source), [source("exchange.h")]);
  const [client = "", server = "", bulk = "", paced = "", hold = ""] = all;
  return { client, server, bulk, paced, hold };
}

/** A program of each source, in their order, which may include the headers. Throws likewise. */
export function compiled(sources: readonly string[], headers: readonly string[] = []): string[] {
  const hash = createHash("sha256");
  for (const file of [...sources, ...headers]) hash.update(readFileSync(file));
  const directory = join(cacheDirectory(process.env), "bench", hash.digest("hex").slice(0, 16));
  if (!existsSync(directory)) compileInto(directory, sources);
  return sources.map((file) => join(directory, basename(file, ".c")));
}

function compileInto(directory: string, sources: readonly string[]): void {
  const unfinished = `${directory}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    for (const file of sources) compile(file, join(unfinished, basename(file, ".c")));
    if (!existsSync(directory)) renameSync(unfinished, directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function compile(file: string, program: string): void {
  const compiler = process.env.CC || "cc";
  const args = [...FLAGS, "-o", program, file, "-lm"];
  const { error, status, stderr } = spawnSync(compiler, args, { encoding: "utf8" });
  if (error) {
    throw new Error(
      `The load programs are in C and ${compiler} does not start (${error.message}). Install a C ` +
        "compiler (Debian: apt-get install gcc libc6-dev), or name one in $CC.",
    );
  }
  if (status !== 0)
    throw new Error(`${compiler} ${args.join(" ")}: exit code ${status}\n${stderr}`);
}

function source(file: string): string {
  return join(import.meta.dirname, file);
}
