// The controller's table client against the shipped module.

import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, onTestFinished } from "vitest";
import { TableClient } from "../../controller/table/client.ts";
import { TableError } from "../../controller/table/table-error.ts";
import { keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { BUCKET_COUNT, MAX_BACKENDS } from "../../plugin/wire/layout.ts";
import { WasmHost } from "./host.ts";
import { backends, frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";
import { serveTable } from "./table-server.ts";

let directory: string;
let host: WasmHost;
let server: Server;
let client: TableClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "portico-table-"));
  host = await WasmHost.load(PLUGIN, { build: "0123456789ab" });
  const socket = join(directory, "table.sock");
  server = await serveTable(host, socket);
  client = new TableClient(socket, { frameBytes: 4096, dumpBuckets: 1000 });
});
afterEach(async () => {
  client.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

const MANY = Array.from({ length: 400 }, (_, index) => frontend(index));

function addressOf(one: { address: string; port: number }): string {
  return `${one.address}:${one.port}`;
}

it("pushes a snapshot in frames and reads it back in pages", async () => {
  expect(await client.version()).toMatchObject({ version: 0, build: "0123456789ab" });
  expect(await client.dump()).toEqual({ version: 0, records: [] });
  expect(await client.pushSnapshot(MANY.map(record))).toBe(1);
  const { version, records } = await client.dump();
  expect(version).toBe(1);
  expect(records.map(addressOf).sort()).toEqual(MANY.map(addressOf).sort());
  expect(records[0]?.backends).toEqual(MANY[0]?.backends);
});

it("splits a big delta into frames that follow each other", async () => {
  await client.pushSnapshot([]);
  const upserts = MANY.map(record);
  const version = await client.pushDelta(1, { upserts, removals: [] });
  expect(version).toBeGreaterThan(5);
  expect(await client.version()).toMatchObject({ version, frontends: MANY.length });
  const removals = MANY.map((each) => keyBytesFromFrontend(each));
  await client.pushDelta(version, { upserts: [], removals });
  expect(await client.version()).toMatchObject({ frontends: 0 });
});

it("tells a conflict with the present version, and a snapshot resolves it", async () => {
  await client.pushSnapshot(MANY.map(record));
  const delta = { upserts: [record(frontend(1))], removals: [] };
  const conflict = await client.pushDelta(7, delta).catch((error: unknown) => error);
  expect(conflict).toBeInstanceOf(TableError);
  expect(conflict).toMatchObject({ code: "conflict", present: 1 });
  expect(await client.pushSnapshot([record(frontend(1))])).toBe(2);
});

it("begins a snapshot anew after one that was left half done", async () => {
  const frames = snapshot(MANY, 50, 4096);
  host.pushAll(frames.slice(0, 3));
  expect(await client.dump()).toEqual({ version: 0, records: [] });
  expect(await client.pushSnapshot(MANY.map(record))).toBe(51);
});

it("tells a refusal from a limit", async () => {
  await client.pushSnapshot([]);
  const broken = record(frontend(1));
  broken[24] = 9;
  const refused = client.pushDelta(1, { upserts: [broken], removals: [] });
  await expect(refused).rejects.toMatchObject({ code: "refused" });
  const many = record(frontend(1));
  new DataView(many.buffer).setUint32(28, MAX_BACKENDS + 1, true);
  const over = client.pushDelta(1, { upserts: [many], removals: [] });
  await expect(over).rejects.toMatchObject({ code: "limit" });
});

it("reads the table again when it moved between two pages", async () => {
  await client.pushSnapshot(MANY.map(record));
  let reads = 0;
  const other = new TableClient(join(directory, "table.sock"));
  host.shared.beforeRead = () => {
    // Once, in the middle of the first dump, between the head and the buckets of a page.
    if (++reads === BUCKET_COUNT / 2) {
      host.shared.beforeRead = undefined;
      void other.pushDelta(1, { upserts: [record(frontend(900))], removals: [] });
    }
  };
  const { version, records } = await client.dump();
  expect({ version, count: records.length }).toEqual({ version: 2, count: MANY.length + 1 });
  other.close();
});

it("serves lists that take several frames' worth of bytes", async () => {
  await client.pushSnapshot([record(frontend(1, { backends: backends(3000) }))]);
  const { records } = await client.dump();
  expect(records[0]?.backends).toHaveLength(3000);
});

it("takes over which backend each client has from another Envoy", async () => {
  const other = await WasmHost.load(PLUGIN, { build: "0123456789ab" });
  const socket = join(directory, "other.sock");
  const otherServer = await serveTable(other, socket);
  const otherClient = new TableClient(socket);
  onTestFinished(() => {
    otherClient.close();
    otherServer.close();
  });
  const sticky = frontend(1, { backends: backends(50), affinityTimeoutSeconds: 60 });
  for (const each of [client, otherClient]) await each.pushSnapshot([record(sticky)]);
  const pick = (from: WasmHost, index: number) =>
    from.connect(`${sticky.address}:${sticky.port}`, { source: `10.1.1.${index}:4000` }).backend;
  const clients = Array.from({ length: 100 }, (_, index) => index);
  const own = pick(other, 0);
  const picked = clients.map((index) => pick(host, index));
  await otherClient.takeAffinityFrom(client);
  expect(clients.slice(1).map((index) => pick(other, index))).toEqual(picked.slice(1));
  expect(pick(other, 0)).toBe(own);
});

it("refuses a row of affinity that is none", async () => {
  const bucket = Buffer.alloc(12);
  bucket.writeUInt32LE(1, 0);
  const over = Buffer.from(bucket);
  over.writeUInt32LE(BUCKET_COUNT, 4);
  const short = Buffer.from(bucket);
  short.writeUInt32LE(1, 8);
  for (const row of [Buffer.alloc(0), Buffer.alloc(4), bucket.subarray(0, 7), over, short]) {
    expect(host.request("POST", "/v1/affinity/take", row).status).toBe(400);
  }
  expect(host.request("POST", "/v1/affinity/take", bucket).status).toBe(200);
  expect(host.request("GET", "/v1/affinity?first=16384").status).toBe(400);
});
