import { stat } from "node:fs/promises";
import { expect, it } from "vitest";
import { WasmHost } from "./host.ts";
import { PLUGIN } from "./table-fixtures.ts";
import { WebAssembly } from "./webassembly.ts";

// A worker's VM has a copy of its code. It was 32 KB before connections got another backend, 36 KB
// before backends that fail were left alone, and 41 KB before Services had balancings.
it("is smaller than 48 KB", async () => {
  expect((await stat(PLUGIN)).size).toBeLessThan(48 * 1024);
});

it("exports the callbacks in use and nothing else", async () => {
  const { module } = await WasmHost.load(PLUGIN);
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  // A data callback here would cost work for each byte, proxy_on_context_create 5 µs a connection.
  expect(names.sort()).toEqual([
    "malloc",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_done",
    "proxy_on_new_connection",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_tick",
  ]);
});

it("has three roles by root_id and refuses another", async () => {
  const host = await WasmHost.load(PLUGIN);
  expect(await host.wouldConfigure("connection")).toBe(true);
  expect(await host.wouldConfigure("connection-local")).toBe(true);
  expect(await host.wouldConfigure("table", "0123abcd")).toBe(true);
  expect(await host.wouldConfigure("tables")).toBe(false);
  expect(await host.wouldConfigure("")).toBe(false);
  expect(host.logs.at(-1)?.message).toContain("root_id");
});

it("refuses to mix the lists in one VM", async () => {
  const host = await WasmHost.load(PLUGIN);
  expect(await host.wouldConfigure(["table", "connection", "table"])).toBe(true);
  expect(await host.wouldConfigure(["connection-local", "connection-local"])).toBe(true);
  expect(await host.wouldConfigure(["connection", "connection-local"])).toBe(false);
  expect(await host.wouldConfigure(["table", "connection-local"])).toBe(false);
  expect(await host.wouldConfigure(["connection-local", "connection"])).toBe(false);
  expect(host.logs.at(-1)?.message).toContain("a VM of its own");
});

it("takes a build id as its configuration and nothing else", async () => {
  const host = await WasmHost.load(PLUGIN);
  expect(await host.wouldConfigure("table", "v1.2_rc-3")).toBe(true);
  expect(await host.wouldConfigure("table", "x".repeat(64))).toBe(true);
  expect(await host.wouldConfigure("table", "x".repeat(65))).toBe(false);
  expect(await host.wouldConfigure("table", 'quote"')).toBe(false);
  expect(host.logs.at(-1)?.message).toContain("build id");
});

it("takes how long an attempt lasts after the build id, and only numbers", async () => {
  const host = await WasmHost.load(PLUGIN);
  for (const milliseconds of ["0", "1000", "999999999"]) {
    expect(await host.wouldConfigure("connection", `b,names,attempt=${milliseconds}`)).toBe(true);
  }
  for (const wrong of ["", "1s", "-1", "1000000000"]) {
    expect(await host.wouldConfigure("connection", `b,attempt=${wrong}`)).toBe(false);
  }
  expect(host.logs.at(-1)?.message).toContain("attempt=MILLISECONDS");
});

it("takes what is to be counted after the build id, and nothing unknown", async () => {
  const host = await WasmHost.load(PLUGIN);
  for (const what of ["off", "service", "backend"]) {
    expect(await host.wouldConfigure("connection", `0123abcd,stats=${what}`)).toBe(true);
  }
  expect(await host.wouldConfigure("connection", ",stats=off")).toBe(true);
  for (const wrong of ["stats=all", "", "stats", "stats=off=off", "x".repeat(300)]) {
    expect(await host.wouldConfigure("connection", `0123abcd,${wrong}`)).toBe(false);
  }
  expect(host.logs.at(-1)?.message).toContain("stats=service");
});
