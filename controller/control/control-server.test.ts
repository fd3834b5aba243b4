import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { callController } from "../cli/control-client.ts";
import type { EnvoyReplacement, EnvoyStatus } from "../envoys/envoy-status.ts";
import type { PluginStatus } from "../rollout/plugin-status.ts";
import { Refusal } from "../system/refusal.ts";
import { MAX_PLUGIN_BYTES } from "../xds/check-plugin.ts";
import {
  type ControllerStatus,
  ENVOY_PATH,
  EXPLAIN_PATH,
  PLUGIN_PATH,
  STATUS_PATH,
} from "./control-api.ts";
import { startControlServer } from "./control-server.ts";

const plugin: PluginStatus = {
  build: "0123456789ab",
  bytes: 3,
  source: "shipped",
  activeSince: "2026-01-01T00:00:00.000Z",
  lastRejection: null,
};
const status: ControllerStatus = {
  version: "0.1.0",
  pid: 1,
  nodeName: "node-1",
  source: "manifests in /m",
  fedBy: { kind: "manifests", directory: "/m" },
  watches: [],
  envoyConnected: true,
  tableVersion: 7,
  frontends: 2,
  lastSync: null,
  plugin,
  problems: [],
};

const envoys: EnvoyStatus = { supervised: true, active: null, draining: null, standby: null };

let directory: string;
let socket: string;
let server: Server;
const replaced: EnvoyReplacement[] = [];
const loaded: { bytes: number; source: string }[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "portico-control-"));
  socket = join(directory, "control.sock");
  loaded.length = 0;
  server = await startControlServer(socket, {
    status: () => status,
    loadPlugin: async (wasm, source) => {
      if (wasm[0] === 0) throw new Refusal("not a plugin: it begins with 0");
      loaded.push({ bytes: wasm.length, source });
      return plugin;
    },
    drain: async () => undefined,
    explain: async ({ from, to }) => {
      throw new Refusal(`no Service ${to}, asked from ${from}`);
    },
    resetPlugin: async () => {
      throw new Error("disk full");
    },
    envoyStatus: async () => envoys,
    replaceEnvoy: async (how) => {
      replaced.push(how);
      return envoys;
    },
  });
});
afterEach(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

it("gives the status of the controller and of its plugin", async () => {
  expect(await callController(socket, "GET", STATUS_PATH)).toEqual(status);
  expect(await callController(socket, "GET", PLUGIN_PATH)).toEqual(plugin);
});

it("has Envoy replaced as it was asked to", async () => {
  expect(await callController(socket, "GET", ENVOY_PATH)).toEqual(envoys);
  const how: EnvoyReplacement = { binary: "/opt/envoy", drainMs: 60_000, endDraining: false };
  const body = Buffer.from(JSON.stringify(how));
  expect(await callController(socket, "PUT", ENVOY_PATH, body)).toEqual(envoys);
  expect(replaced).toEqual([how]);
});

it.each(["", "[]", "{}", '{"drainMs":"1h","endDraining":false}', '{"drainMs":-1}', "not JSON"])(
  "refuses a replacement that says %j, and replaces nothing",
  async (text) => {
    replaced.length = 0;
    const asked = callController(socket, "PUT", ENVOY_PATH, Buffer.from(text));
    await expect(asked).rejects.toThrow(`"drainMs": milliseconds`);
    expect(replaced).toEqual([]);
  },
);

it("takes a module with the name of its file", async () => {
  const path = `${PLUGIN_PATH}?source=${encodeURIComponent("/tmp/a b.wasm")}`;
  expect(await callController(socket, "PUT", path, Uint8Array.of(1, 2, 3))).toEqual(plugin);
  expect(loaded).toEqual([{ bytes: 3, source: "/tmp/a b.wasm" }]);
});

it("passes on why a module was refused, or what failed", async () => {
  const refused = callController(socket, "PUT", PLUGIN_PATH, Uint8Array.of(0));
  await expect(refused).rejects.toThrow("not a plugin: it begins with 0");
  await expect(callController(socket, "DELETE", PLUGIN_PATH)).rejects.toThrow("disk full");
});

it("refuses a module that no ConfigMap could hold, naming the limit", async () => {
  const big = callController(socket, "PUT", PLUGIN_PATH, new Uint8Array(MAX_PLUGIN_BYTES + 1));
  await expect(big).rejects.toThrow(`${MAX_PLUGIN_BYTES} bytes`);
  expect(loaded).toEqual([]);
});

it("says what is not there", async () => {
  await expect(callController(socket, "GET", "/v1/nothing")).rejects.toThrow("GET /v1/nothing");
  const nobody = callController(join(directory, "none.sock"), "GET", STATUS_PATH);
  await expect(nobody).rejects.toThrow("does `portico run` use this");
});

it("hands on who dials what, and says why that cannot be explained", async () => {
  const query = new URLSearchParams({ to: "shop/nothing:http", from: "[fd00::1]" });
  const asked = callController(socket, "GET", `${EXPLAIN_PATH}?${query}`);
  await expect(asked).rejects.toThrow("no Service shop/nothing:http, asked from [fd00::1]");
});
