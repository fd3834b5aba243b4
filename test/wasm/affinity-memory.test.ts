// What session affinity remembers, and that it has bounds: in shared data and in the VM.

import { beforeEach, expect, it } from "vitest";
import { WasmHost } from "./host.ts";
import { backends, frontend, PLUGIN, snapshot } from "./table-fixtures.ts";

const SECOND = 1_000_000_000n;
const TIMEOUT = 60;
const AT = "10.96.0.1:80";
const MANY = 1_000_000;
/** MAX_BUCKET_ENTRIES × AFFINITY_BUCKET_COUNT of plugin/pick/affinity-bucket.ts. */
const MOST_CLIENTS = 32 * 16_384;
const ENTRY_BYTES = 32;

let time: bigint;
let host: WasmHost;
beforeEach(async () => {
  time = 1_000n * SECOND;
  host = await WasmHost.load(PLUGIN, { workers: 2, steadyNow: () => time });
  const sticky = { backends: backends(5), affinityTimeoutSeconds: TIMEOUT };
  host.pushAll(snapshot([frontend(1, sticky)], 1));
});

function sourceOf(client: number): string {
  return `10.${client >> 16}.${(client >> 8) & 255}.${client & 255}:4000`;
}

function connect(client: number): string | undefined {
  return host.connect(AT, { source: sourceOf(client), worker: client % 2 }).backend;
}

it("does not grow with a million clients, and forgets the ones that came first", () => {
  const table = host.shared.bytes;
  const seen = Array.from({ length: MANY }, (_, client) => connect(client));
  const bytes = host.shared.bytes - table;
  expect(bytes).toBeLessThanOrEqual(MOST_CLIENTS * ENTRY_BYTES);
  expect(host.counter("affinity_evicted")).toBe(MANY - bytes / ENTRY_BYTES);
  const memory = host.memoryBytes();
  // The last quarter million are all there: a bucket holds twice as many on average.
  for (let client = MANY - 250_000; client < MANY; client += 97) {
    expect(connect(client)).toBe(seen[client]);
  }
  expect(host.memoryBytes()).toBe(memory);
  expect(memory).toBeLessThanOrEqual(4 * 64 * 1024);
}, 120_000);

it("forgets clients that are over, as soon as something is written beside them", () => {
  for (let client = 0; client < 100_000; client++) connect(client);
  const full = host.shared.bytes;
  time += BigInt(TIMEOUT) * SECOND;
  for (let client = 200_000; client < 300_000; client++) connect(client);
  // All buckets were written to: nothing but the second half is left.
  expect(host.shared.bytes).toBeLessThan(full * 1.01);
  expect(host.counter("affinity_evicted")).toBe(0);
});

it("does not grow with the connections of one client", () => {
  connect(1);
  const once = host.shared.bytes;
  for (let i = 0; i < 1_000; i++) {
    time += SECOND;
    connect(1);
  }
  expect(host.shared.bytes).toBe(once);
});
