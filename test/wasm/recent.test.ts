// What a VM keeps of the table: read once, as long as the table stays the same; never older than a
// push that was acknowledged.

import { beforeEach, expect, it } from "vitest";
import type { Backend, Frontend } from "../../controller/node/types.ts";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { bucketOfKey, keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { WasmHost } from "./host.ts";
import { STATUS } from "./status.ts";
import { backends, frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";

const WEB = frontend(1);
const AT = "10.96.0.1:80";
const BUCKET = 0x62;

let host: WasmHost;
beforeEach(async () => {
  host = await WasmHost.load(PLUGIN, { workers: 2 });
  host.pushAll(snapshot([WEB, frontend(2)], 1));
});

/** The buckets that are read meanwhile. */
function bucketsRead(meanwhile: () => void): number[] {
  const buckets: number[] = [];
  host.shared.beforeRead = (key) => {
    if (key[1] === BUCKET) buckets.push(key.readUInt32LE(4));
  };
  meanwhile();
  host.shared.beforeRead = undefined;
  return buckets;
}

function bucketOf(of: Frontend): number {
  return bucketOfKey(keyBytesFromFrontend(of, "cluster"));
}

function upsert(of: Frontend, base = 1): Uint8Array {
  return deltaFrame({ upserts: [record(of)], removals: [] }, base, base + 1);
}

function connectTo(at: string, worker = 0): void {
  expect(host.connect(at, { worker }).closed).toBeUndefined();
}

it("is read once by each worker", () => {
  const reads = bucketsRead(() => {
    for (const worker of [0, 0, 1, 1, 0]) connectTo(AT, worker);
  });
  expect(reads).toEqual([bucketOf(WEB), bucketOf(WEB)]);
});

it("is read again after any push, and the next connection of each worker obeys it", () => {
  connectTo(AT, 0);
  connectTo(AT, 1);
  host.push(upsert(frontend(2, { backends: backends(1, 9) })));
  expect(bucketsRead(() => connectTo(AT))).toEqual([bucketOf(WEB)]);
  host.push(upsert(frontend(1, { backends: backends(1, 7) }), 2), { worker: 1 });
  for (const worker of [0, 1]) {
    expect(host.connect(AT, { worker }).backend).toBe("10.7.0.1:8080");
  }
});

it("is read again after a push that failed halfway", () => {
  connectTo(AT);
  let writes = 0;
  // The head is taken, the bucket is written, and the mark cannot be.
  host.fault = (name) =>
    name === "proxy_set_shared_data" && ++writes === 3 ? STATUS.internalFailure : undefined;
  expect(host.push(upsert(frontend(1, { backends: backends(1, 7) }))).status).toBe(500);
  host.fault = undefined;
  host.pushAll(snapshot([frontend(1, { backends: backends(1, 8) })], 5));
  expect(host.connect(AT).backend).toBe("10.8.0.1:8080");
});

it("is read for each connection where there is no mark, or none can be read", () => {
  connectTo(AT);
  let reads = 0;
  const failing = bucketsRead(() => {
    host.fault = (name) =>
      name === "proxy_get_shared_data" && ++reads % 2 === 1 ? STATUS.internalFailure : undefined;
    connectTo(AT);
    connectTo(AT);
    host.fault = undefined;
  });
  expect(failing).toHaveLength(2);
});

it("is not kept when it is large, and costs no memory", () => {
  const address = (index: number) => `fd00::${(index + 1).toString(16)}`;
  const many: Backend[] = Array.from({ length: 120 }, (_, index) => ({
    address: address(index),
    port: 8080,
    local: false,
  }));
  host.pushAll(snapshot([frontend(3, { address: "fd00:96::1", backends: many })], 2));
  const dial = () => connectTo("[fd00:96::1]:80");
  expect(bucketsRead(() => [dial(), dial()])).toHaveLength(2);
  const before = host.memoryBytes();
  for (let i = 0; i < 5_000; i++) dial();
  expect(host.memoryBytes()).toBe(before);
});

it("takes the place of what was kept before, for more frontends than a VM keeps", () => {
  const all = Array.from({ length: 3_000 }, (_, index) => frontend(index + 1));
  host.pushAll(snapshot(all, 2));
  const dialAll = () => {
    for (const { address } of all) connectTo(`${address}:80`);
  };
  dialAll();
  const before = host.memoryBytes();
  for (let i = 0; i < 3; i++) dialAll();
  expect(host.memoryBytes()).toBe(before);
});
