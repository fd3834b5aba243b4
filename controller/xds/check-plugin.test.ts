import { describe, expect, test } from "vitest";
import { buildOf, checkPlugin, MAX_PLUGIN_BYTES, PluginRejectedError } from "./check-plugin.ts";

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** One type, () → (), and one function of it that does nothing. */
const TYPE_SECTION = [1, 4, 1, 0x60, 0, 0];
const FUNCTION_SECTION = [3, 2, 1, 0];
const CODE_SECTION = [10, 4, 1, 2, 0, 0x0b];

/** Returns a module that exports its only function under all of these names. */
function moduleThatExports(names: readonly string[]): Uint8Array {
  const entries = names.flatMap((name) => [name.length, ...Buffer.from(name), 0, 0]);
  const content = [names.length, ...entries];
  // LEB128 of two bytes, whatever the size.
  const size = [(content.length & 0x7f) | 0x80, content.length >> 7];
  const exports = [7, ...size, ...content];
  return Uint8Array.from([
    ...HEADER,
    ...TYPE_SECTION,
    ...FUNCTION_SECTION,
    ...exports,
    ...CODE_SECTION,
  ]);
}

const EXPORTS = [
  "proxy_abi_version_0_2_1",
  "malloc",
  "proxy_on_configure",
  "proxy_on_new_connection",
  "proxy_on_request_headers",
  "proxy_on_request_body",
];

describe("checkPlugin", () => {
  test("takes a module with every callback, and names it after its hash", async () => {
    const wasm = moduleThatExports(EXPORTS);
    const code = await checkPlugin(wasm);
    expect(code).toEqual({ wasm, build: buildOf(wasm) });
    expect(code.build).toMatch(/^[0-9a-f]{12}$/);
  });

  const endless = new Uint8Array(MAX_PLUGIN_BYTES + 1);
  const without = (...missing: string[]) =>
    moduleThatExports(EXPORTS.filter((name) => !missing.includes(name)));
  test.each([
    ["nothing at all", new Uint8Array(), 'it is not a WebAssembly module: it starts with ""'],
    ["a script", Buffer.from("#!/bin/sh"), 'it starts with "#!/b"'],
    ["too much", endless, "it has 1048577 bytes; the limit is 1048576 (MAX_PLUGIN_BYTES)"],
    ["a module that is cut off", without().subarray(0, 40), "it does not compile: "],
    ["a module of another kind", without("proxy_abi_version_0_2_1"), "not a proxy-wasm 0.2.1"],
    [
      "a module that lacks callbacks",
      without("malloc", "proxy_on_configure"),
      "it does not export proxy_on_configure, proxy_on_memory_allocate or malloc",
    ],
  ])("refuses %s", async (_, wasm, reason) => {
    const checking = checkPlugin(wasm);
    await expect(checking).rejects.toThrow(PluginRejectedError);
    await expect(checking).rejects.toThrow(reason);
  });
});
