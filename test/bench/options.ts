// Options that several benches have: text → value, or commander's error at once, and not a stack
// trace after minutes of measuring.

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";

export function outputOption(): Option {
  return new Option("-o, --output <format>", "output format instead of tables").choices(["json"]);
}

/** Parses names with commas between them; returns each once. */
export function listOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) => {
    const names = text.split(",").map((name) => {
      const found = known.find((each) => each === name);
      if (found !== undefined) return found;
      throw new InvalidArgumentError(`${name} is none of ${known.join(", ")}`);
    });
    return [...new Set(names)];
  };
}

/** A file that will be written: its directory exists, and nothing forbids it. */
export function writableFile(file: string): string {
  const directory = dirname(resolve(file));
  if (!isDirectory(directory)) throw new InvalidArgumentError(`There is no ${directory}.`);
  if (isDirectory(file)) throw new InvalidArgumentError("That is a directory.");
  try {
    accessSync(existsSync(file) ? file : directory, constants.W_OK);
  } catch {
    throw new InvalidArgumentError("It cannot be written.");
  }
  return file;
}

/** A build/portico with its plugin next to it. */
export function builtCommand(file: string): string {
  if (isDirectory(file)) {
    throw new InvalidArgumentError("That is a directory; give the build/portico in it.");
  }
  const plugin = join(dirname(file), "portico.wasm");
  const missing = [file, plugin].find((each) => !existsSync(each));
  if (missing !== undefined) throw new InvalidArgumentError(`There is no ${missing}.`);
  return resolve(file);
}

/** What a checkout needs before its Portico can be started from its sources. */
const OF_CHECKOUT: Readonly<Record<string, string>> = {
  "test/bench/connections/portico.ts": "it is no checkout of Portico, or an old one",
  node_modules: "run npm ci there",
  "build/portico.wasm": "run npm run build there",
};

/** The root of another checkout of this repository, installed and built. */
export function builtCheckout(directory: string): string {
  if (!isDirectory(directory))
    throw new InvalidArgumentError(`There is no directory ${directory}.`);
  for (const [path, advice] of Object.entries(OF_CHECKOUT)) {
    if (existsSync(join(directory, path))) continue;
    throw new InvalidArgumentError(`${directory} has no ${path}: ${advice}.`);
  }
  return directory;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
