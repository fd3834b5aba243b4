// Plugins to load: a new version, compiled from a copy of plugin/ in which one function is another,
// and two broken ones. All are files in the run's own folder; the checkout stays as it is.

import { spawn } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { setPriority } from "node:os";
import { join } from "node:path";

const ROOT = new URL("../..", import.meta.url).pathname;
const COMPILER = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
export const SHIPPED_PLUGIN = join(ROOT, "build/portico.wasm");

/** The change of the new version: not by chance, but always the first of the list. */
const CHANGED_FILE = "plugin/pick/chance.ts";
const BEFORE = "export function below(limit: u32): u32 {";
const AFTER = `export function below(limit: u32): u32 {
  if (limit > 0) return 0;`;

/** A plugin that has all that Envoy and Portico ask for, and then answers nothing. */
const MUTE_SOURCE = `
export function proxy_abi_version_0_2_1(): void {}
export function proxy_on_memory_allocate(size: usize): usize { return heap.alloc(size); }
export function proxy_on_configure(context: u32, size: u32): u32 { return 1; }
export function proxy_on_new_connection(context: u32): u32 { return 0; }
export function proxy_on_request_headers(context: u32, count: u32, last: u32): u32 { return 0; }
export function proxy_on_request_body(context: u32, size: u32, last: u32): u32 { return 0; }
`;

/** Compiles the new version, which picks the first backend always; returns the file. */
export async function compileFirstBackendPlugin(directory: string): Promise<string> {
  const copy = join(directory, "plugin-source");
  for (const part of ["plugin", "asconfig.json"]) {
    await cp(join(ROOT, part), join(copy, part), { recursive: true });
  }
  const source = await readFile(join(copy, CHANGED_FILE), "utf8");
  if (!source.includes(BEFORE)) {
    throw new Error(`${CHANGED_FILE} has changed: the demo finds no "${BEFORE}" in it`);
  }
  await writeFile(join(copy, CHANGED_FILE), source.replace(BEFORE, AFTER));
  const file = join(directory, "first-backend.wasm");
  await compile(copy, ["--config", "asconfig.json", "--target", "release", "--outFile", file]);
  return file;
}

/** Compiles a plugin that loads and cannot answer the table endpoint; returns the file. */
export async function compileMutePlugin(directory: string): Promise<string> {
  const source = join(directory, "mute");
  await mkdir(source, { recursive: true });
  await writeFile(join(source, "index.ts"), MUTE_SOURCE);
  const file = join(directory, "mute.wasm");
  await compile(source, ["index.ts", "--runtime", "stub", "--use", "abort=", "--outFile", file]);
  return file;
}

/** The first half of the shipped plugin, as after a copy that was cut off; returns the file. */
export async function writeHalfPlugin(directory: string): Promise<string> {
  const whole = await readFile(SHIPPED_PLUGIN);
  const file = join(directory, "half.wasm");
  await writeFile(file, whole.subarray(0, whole.length / 2));
  return file;
}

/** In the background, as it were: it gives way to the store's connections. */
function compile(directory: string, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [COMPILER, ...args], { cwd: directory });
  if (child.pid !== undefined) setPriority(child.pid, 10);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`asc ended with ${code}: ${said.trim()}`));
    });
  });
}
