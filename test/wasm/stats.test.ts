// What the plugin counts per Service: as much as happened, whoever of the workers met it, whatever
// code took over meanwhile; and nothing of it for ever.

import { describe, expect, it } from "vitest";
import type { Frontend } from "../../controller/node/types.ts";
import { serviceIdOf } from "../../controller/wire/service-id.ts";
import { type Counters, OTHER_SERVICE_ID, type StatsEntry } from "../../controller/wire/stats.ts";
import { HASH_OFFSET_BASIS, HASH_PRIME } from "../../plugin/wire/layout.ts";
import {
  MAX_STATS_PAGE_ENTRIES,
  STATS_KEY_BYTES,
  STATS_PAGE_COUNT,
} from "../../plugin/wire/stats-layout.ts";
import { type HostOptions, WasmHost } from "./host.ts";
import { forget, statsOf } from "./stats-fixtures.ts";
import { backends, frontend, PLUGIN, snapshot } from "./table-fixtures.ts";

const MS = 1_000_000;
const EMPTY = frontend(4, { backends: [] });
const LOCAL = frontend(3, { verdict: "local", localBackends: backends(2) });
const TABLE = [frontend(1), frontend(2), LOCAL, EMPTY];

async function load(options: HostOptions = {}, table: readonly Frontend[] = TABLE) {
  const host = await WasmHost.load(PLUGIN, { workers: 2, seed: 7, ...options });
  host.pushAll(snapshot(table, 1));
  return host;
}

/** After a tick: of the whole ServicePort. */
function countersOf(host: WasmHost, of: Frontend): Counters | undefined {
  host.tick();
  const id = serviceIdOf(of);
  return statsOf(host).find(({ serviceId, backend }) => serviceId === id && !backend)?.counters;
}

const NOTHING: Counters = {
  opened: 0,
  closed: 0,
  failed: { refused: 0, timedOut: 0, noBackend: 0, other: 0 },
  limited: { connections: 0, newConnections: 0 },
  retried: 0,
  receivedBytes: 0,
  sentBytes: 0,
  connect: { buckets: [0, 0, 0, 0, 0, 0], seconds: 0 },
  duration: { buckets: [0, 0, 0, 0, 0, 0], seconds: 0 },
};

describe("a connection", () => {
  it("is opened once it has a backend, and closed with its bytes and times", async () => {
    let time = 5_000_000_000n;
    const host = await load({ steadyNow: () => time });
    const { end } = host.open("10.96.0.1:80");
    expect(countersOf(host, TABLE[0] as Frontend)).toEqual({ ...NOTHING, opened: 1 });
    time += 250_000_000n;
    end({ receivedBytes: 2 ** 40, sentBytes: 7, connectNanoseconds: 3 * MS });
    expect(countersOf(host, TABLE[0] as Frontend)).toEqual({
      ...NOTHING,
      opened: 1,
      closed: 1,
      receivedBytes: 2 ** 40,
      sentBytes: 7,
      connect: { buckets: [0, 1, 0, 0, 0, 0], seconds: 0.003 },
      duration: { buckets: [0, 0, 1, 0, 0, 0], seconds: 0.25 },
    });
  });

  it.each([
    [{ flags: 0x8020, failure: "delayed connect error: Connection refused" }, { refused: 1 }],
    [{ flags: 0x20, failure: "delayed connect error: Connection refused" }, { refused: 1 }],
    [{ flags: 0x20, failure: "delayed connect error: Connection timed out" }, { timedOut: 1 }],
    [{ flags: 0x20, failure: "No route to host" }, { other: 1 }],
    [{ flags: 0x20 }, { timedOut: 1 }],
    [{ flags: 0x4 }, {}],
    [{ flags: 0x20, failure: "Connection refused", connectNanoseconds: 1 }, { refused: 1 }],
    [{ flags: 0x20, failure: "Connection refused", sentBytes: 1 }, {}],
    [{ flags: 0x20, failure: "Connection refused", accepted: true }, {}],
    [{ flags: 0x8000, failure: "Cannot assign requested address" }, { other: 1 }],
  ])("that ends with %j counts as failed %j", async (how, failed) => {
    const host = await load();
    host.open("10.96.0.1:80").end(how);
    const counters = countersOf(host, TABLE[0] as Frontend);
    expect(counters?.failed).toEqual({ ...NOTHING.failed, ...failed });
    expect(counters?.closed).toBe(1);
  });

  it("without a backend fails and is never opened", async () => {
    const host = await load();
    host.connect("10.96.0.4:80");
    const failed = { ...NOTHING.failed, noBackend: 1 };
    expect(countersOf(host, EMPTY)).toEqual({ ...NOTHING, failed });
  });

  it("to no frontend is nobody's", async () => {
    const host = await load();
    host.connect("10.96.9.9:80");
    host.tick();
    expect(statsOf(host)).toEqual([]);
  });

  it.each([
    [0, [0, 0]],
    [1, [1, 0]],
    [MS, [1, 0]],
    [MS + 1, [0, 1]],
    [5 * MS, [0, 1]],
    [25 * MS, [0, 0, 1]],
    [100 * MS, [0, 0, 0, 1]],
    [1000 * MS, [0, 0, 0, 0, 1]],
    [1000 * MS + 1, [0, 0, 0, 0, 0, 1]],
  ])("that took %i ns to the backend is in bucket %j", async (connectNanoseconds, buckets) => {
    const host = await load();
    host.open("10.96.0.1:80").end({ connectNanoseconds });
    const { connect } = countersOf(host, TABLE[0] as Frontend) as Counters;
    expect(connect.buckets).toEqual([...buckets, ...Array(6 - buckets.length).fill(0)]);
  });
});

describe("what is counted", () => {
  it("is for each backend too where that is wanted, and nothing where it is not", async () => {
    const byBackend = await load({ build: "b,stats=backend" });
    for (let i = 0; i < 30; i++) byBackend.open("10.96.0.1:80").end({ sentBytes: 3 });
    byBackend.tick();
    const entries = statsOf(byBackend);
    const ofBackends = entries.filter(({ backend }) => backend);
    expect(ofBackends.map(({ backend }) => backend?.address).sort()).toEqual([
      ...["10.1.0.1", "10.1.0.2", "10.1.0.3"],
    ]);
    expect(new Set(ofBackends.map(({ backend }) => backend?.port))).toEqual(new Set([8080]));
    const sent = ofBackends.map(({ counters }) => counters.sentBytes);
    expect(sent.reduce((a, b) => a + b)).toBe(90);
    expect(entries.find(({ backend }) => !backend)?.counters.opened).toBe(30);
    const none = await load({ build: "b,stats=off,attempt=0" });
    none.connect("10.96.0.1:80");
    expect(none.isTicking).toBe(false);
    none.tick();
    expect(statsOf(none)).toEqual([]);
  });

  it("knows IPv6 backends", async () => {
    const list = [{ address: "fd00:1::b", port: 65535, local: false }];
    const v6 = frontend(5, { address: "fd00::5", backends: list });
    const host = await load({ build: "b,stats=backend" }, [v6]);
    host.connect("[fd00::5]:80");
    host.tick();
    const { backend } = statsOf(host).find((entry) => entry.backend) as StatsEntry;
    expect(backend).toEqual({ address: "fd00:1::b", port: 65535 });
  });

  it("makes no ticks where nothing happens", async () => {
    const host = await load({ build: "b,attempt=0" });
    expect(host.isTicking).toBe(false);
    host.connect("10.96.0.1:80");
    expect(host.tickPeriods).toEqual([1_000]);
    host.tick();
    expect(host.isTicking).toBe(false);
    expect(countersOf(host, TABLE[0] as Frontend)?.closed).toBe(1);
  });

  it("is answered in pages", async () => {
    const many = Array.from({ length: 300 }, (_, index) => frontend(index + 1));
    const host = await load({}, many);
    for (let i = 1; i <= 300; i++) host.connect(`10.96.${i >> 8}.${i & 255}:80`);
    host.tick();
    const all = statsOf(host);
    expect(new Set(all.map(({ serviceId }) => serviceId)).size).toBe(300);
    const half = STATS_PAGE_COUNT / 2;
    const halves = [...statsOf(host, `?count=${half}`), ...statsOf(host, `?first=${half}`)];
    expect(halves).toEqual(all);
    expect(host.request("GET", `/v1/stats?first=${STATS_PAGE_COUNT}`).status).toBe(400);
    expect(host.request("GET", "/v1/stats?count=0").status).toBe(400);
    expect(host.request("POST", "/v1/stats").status).toBe(405);
  });
});

describe("an entry", () => {
  it("is forgotten when it is asked for, but not while a connection is open", async () => {
    const host = await load();
    const { end } = host.open("10.96.0.1:80");
    host.connect("10.96.0.2:80");
    host.tick();
    forget(host, ...statsOf(host));
    expect(statsOf(host).map(({ serviceId }) => serviceId)).toEqual([
      serviceIdOf(TABLE[0] as Frontend),
    ]);
    end();
    host.tick();
    forget(host, ...statsOf(host));
    expect(statsOf(host)).toEqual([]);
    host.connect("10.96.0.1:80");
    expect(countersOf(host, TABLE[0] as Frontend)?.opened).toBe(1);
  });

  it("that is not there, or is none, does no harm", async () => {
    const host = await load();
    host.connect("10.96.0.1:80");
    host.tick();
    const before = host.shared.content();
    const forgotten = (size: number) =>
      host.request("POST", "/v1/stats/forget", Buffer.alloc(size));
    expect(forgotten(STATS_KEY_BYTES * 3).status).toBe(200);
    expect(forgotten(0).status).toBe(200);
    expect(forgotten(STATS_KEY_BYTES + 1).status).toBe(400);
    expect(host.shared.content()).toEqual(before);
  });

  it("that finds its page full goes to all others, and what it counted with it", async () => {
    const over = 6;
    const page = frontendsOfOnePage(MAX_STATS_PAGE_ENTRIES + over);
    const host = await load({ workers: 1 }, page);
    const open = page.map(({ address }) => {
      const connection = host.open(`${address}:80`);
      host.tick();
      return connection;
    });
    for (const { end } of open) end({ sentBytes: 1 });
    host.tick();
    const entries = statsOf(host);
    const other = entries.find(({ serviceId }) => serviceId === OTHER_SERVICE_ID);
    expect(entries).toHaveLength(MAX_STATS_PAGE_ENTRIES + 1);
    expect(other?.counters).toMatchObject({ opened: over, closed: over, sentBytes: over });
  });
});

it("waits for its turn when another worker writes the same page", async () => {
  const host = await load();
  host.connect("10.96.0.1:80", { worker: 0 });
  host.connect("10.96.0.1:80", { worker: 1 });
  let writes = 3;
  host.shared.beforeRead = (key) => {
    if (key[1] !== 0x73 || writes-- <= 0) return;
    const { value } = host.shared.get(key) ?? { value: Buffer.alloc(0) };
    host.shared.set(key, value, 0);
  };
  expect(countersOf(host, TABLE[0] as Frontend)).toMatchObject({ opened: 2, closed: 2 });
  expect(host.counter("stats_lost")).toBe(0);
});

/** Of ServicePorts whose entries belong to one page, by their hash. */
function frontendsOfOnePage(count: number): Frontend[] {
  const found: Frontend[] = [];
  for (let i = 1; found.length < count; i++) {
    const own = frontend(i, { address: `10.${97 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}` });
    const key = Buffer.alloc(STATS_KEY_BYTES);
    Buffer.from(serviceIdOf(own), "hex").copy(key);
    let hash = HASH_OFFSET_BASIS;
    for (const byte of key) hash = Math.imul(hash ^ byte, HASH_PRIME) >>> 0;
    if (hash % STATS_PAGE_COUNT === 0) found.push(own);
  }
  return found;
}
