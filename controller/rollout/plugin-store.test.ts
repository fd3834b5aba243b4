import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PluginStore } from "./plugin-store.ts";

let directory: string;
let store: PluginStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-plugin-"));
  writeFileSync(join(directory, "shipped.wasm"), "shipped");
  store = new PluginStore(join(directory, "shipped.wasm"), join(directory, "plugin.wasm"));
});
afterEach(() => rmSync(directory, { recursive: true }));

it("has only the shipped plugin at first", async () => {
  expect(await store.loaded()).toBeUndefined();
  const shipped = await store.shipped();
  expect({ ...shipped, wasm: shipped.wasm.toString() }).toEqual({
    wasm: "shipped",
    source: "shipped",
  });
});

it("keeps a loaded plugin until it is told to forget it", async () => {
  await store.keep({ wasm: Buffer.from("mine"), source: "/home/me/mine.wasm" });
  const loaded = await store.loaded();
  expect(loaded?.source).toBe("/home/me/mine.wasm");
  expect(Buffer.from(loaded?.wasm ?? []).toString()).toBe("mine");
  await store.forget();
  expect(await store.loaded()).toBeUndefined();
  expect(readdirSync(directory)).toEqual(["shipped.wasm"]);
});

it("does not take over what another version of Portico kept", async () => {
  await store.keep({ wasm: Buffer.from("mine"), source: "mine.wasm" });
  const note = join(directory, "plugin.wasm.json");
  writeFileSync(
    note,
    readFileSync(note, "utf8").replace(/"porticoVersion":"[^"]*"/, '"porticoVersion":"0.0.1"'),
  );
  expect(await store.loaded()).toBeUndefined();
});

it("says how to make the shipped plugin when it is missing", async () => {
  rmSync(join(directory, "shipped.wasm"));
  await expect(store.shipped()).rejects.toThrow("npm run build");
});
