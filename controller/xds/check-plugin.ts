// Bytes → a plugin's code, or why it cannot be one. Cheap checks before Envoy gets the code, with
// better messages than Envoy's "Unable to create Wasm plugin".

import { createHash } from "node:crypto";
import type { PluginCode } from "./resources.ts";

/** A plugin travels as a ConfigMap, which holds 1 MiB. */
export const MAX_PLUGIN_BYTES = 1024 * 1024;

/** The part of the API used here; TypeScript declares it for browsers only. */
interface Compiler {
  compile(wasm: Uint8Array): Promise<object>;
  Module: { exports(module: object): { name: string; kind: string }[] };
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: Compiler };

const WASM_MAGIC = "\0asm";
const ABI = "proxy_abi_version_0_2_1";

/** proxy-wasm 0.2.1: callbacks that Envoy does not require, but without which nothing is served. */
const NEEDED_EXPORTS = [
  "proxy_on_configure",
  "proxy_on_new_connection",
  "proxy_on_request_headers",
  "proxy_on_request_body",
];
const ALLOCATORS = ["proxy_on_memory_allocate", "malloc"];

/** The code is refused; the message says why, and nothing has changed. */
export class PluginRejectedError extends Error {
  readonly code = "plugin-rejected";
  override readonly name = "PluginRejectedError";
  readonly build: string;

  constructor(build: string, reason: string) {
    super(reason);
    this.build = build;
  }
}

/** Returns the first 12 hex digits of the module's SHA-256: the plugin's name. */
export function buildOf(wasm: Uint8Array): string {
  return createHash("sha256").update(wasm).digest("hex").slice(0, 12);
}

/** Throws PluginRejectedError. */
export async function checkPlugin(wasm: Uint8Array): Promise<PluginCode> {
  const build = buildOf(wasm);
  const reason = sizeProblem(wasm) ?? (await moduleProblem(wasm));
  if (reason) throw new PluginRejectedError(build, reason);
  return { build, wasm };
}

function sizeProblem(wasm: Uint8Array): string | undefined {
  if (wasm.length > MAX_PLUGIN_BYTES) {
    return `it has ${wasm.length} bytes; the limit is ${MAX_PLUGIN_BYTES} (MAX_PLUGIN_BYTES)`;
  }
  const magic = Buffer.from(wasm.subarray(0, WASM_MAGIC.length)).toString("latin1");
  if (magic !== WASM_MAGIC) {
    return `it is not a WebAssembly module: it starts with ${JSON.stringify(magic)}`;
  }
  return undefined;
}

async function moduleProblem(wasm: Uint8Array): Promise<string | undefined> {
  let module: object;
  try {
    module = await WebAssembly.compile(wasm);
  } catch (error) {
    return `it does not compile: ${(error as Error).message}`;
  }
  const functions = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
  const names = new Set(functions.map(({ name }) => name));
  if (!names.has(ABI)) return `it is not a proxy-wasm 0.2.1 plugin: it does not export ${ABI}`;
  const missing = NEEDED_EXPORTS.filter((name) => !names.has(name));
  if (!ALLOCATORS.some((name) => names.has(name))) missing.push(ALLOCATORS.join(" or "));
  return missing.length === 0 ? undefined : `it does not export ${missing.join(", ")}`;
}
