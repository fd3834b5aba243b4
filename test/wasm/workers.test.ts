// Several workers at once: pushes that meet, readers of a list that is being replaced, a VM that
// dies while it applies, and new code that takes over.

import { beforeEach, describe, expect, it } from "vitest";
import type { Backend, Frontend } from "../../controller/node/types.ts";
import { decodeFrame } from "../../controller/wire/decode.ts";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { bucketOfKey, keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { GuestError } from "./guest.ts";
import { WasmHost } from "./host.ts";
import { STATUS } from "./status.ts";
import { backends, backendText, frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";

const SECOND = 1_000_000_000n;
let time = 1000n * SECOND;
let host: WasmHost;
beforeEach(async () => {
  host = await WasmHost.load(PLUGIN, { workers: 2, now: () => time });
});

function upsert(base: number, ...frontends: Frontend[]): Uint8Array {
  return deltaFrame({ upserts: frontends.map(record), removals: [] }, base, base + 1);
}

function version(worker = 0): { version: number } {
  const { body } = host.request("GET", "/v1/version", undefined, { worker });
  return JSON.parse(body.toString()) as { version: number };
}

/** Runs `meanwhile` just before the n-th time that a VM reads shared data. */
function beforeRead(n: number, meanwhile: () => void): void {
  let reads = 0;
  host.shared.beforeRead = () => {
    if (++reads !== n) return;
    host.shared.beforeRead = undefined;
    meanwhile();
  };
}

describe("two pushes at once", () => {
  const first = upsert(1, frontend(1, { backends: backends(1, 1) }));
  const second = upsert(1, frontend(2, { backends: backends(1, 2) }));

  /** How often applying a frame reads shared data. */
  function readsOf(frame: Uint8Array): number {
    let reads = 0;
    host.shared.beforeRead = () => reads++;
    expect(host.push(frame).status).toBe(200);
    host.shared.beforeRead = undefined;
    return reads;
  }

  it("never mix: exactly one is applied, wherever the other comes in between", () => {
    host.pushAll(snapshot([], 1));
    const reads = readsOf(first);
    expect(reads).toBeGreaterThan(3);
    for (let n = 1; n <= reads; n++) {
      host.pushAll(snapshot([], 1));
      let inner = 0;
      beforeRead(n, () => {
        inner = host.push(second, { worker: 1 }).status;
      });
      const outer = host.push(first).status;
      expect([inner, outer].sort()).toEqual([200, 409]);
      expect(version()).toMatchObject({ version: 2, frontends: 1 });
      expect(host.connect("10.96.0.1:80").closed === undefined).toBe(outer === 200);
      expect(host.connect("10.96.0.2:80").closed === undefined).toBe(inner === 200);
    }
  });

  it("never mix: a snapshot waits for a delta that is being applied", () => {
    host.pushAll(snapshot([], 1));
    const reads = readsOf(first);
    for (let n = 1; n <= reads; n++) {
      host.pushAll(snapshot([], 1));
      const frames = snapshot([frontend(3)], 9);
      let inner = 0;
      beforeRead(n, () => {
        inner = host.push(frames[0] as Uint8Array, { worker: 1 }).status;
      });
      const outer = host.push(first).status;
      expect([inner, outer].sort()).toEqual([200, 409]);
      expect(version().version).toBe(inner === 200 ? 9 : 2);
    }
  });
});

describe("a VM that dies while it applies", () => {
  function dieAtWrite(n: number, frame: Uint8Array): void {
    let writes = 0;
    host.fault = (name) => {
      if (name === "proxy_set_shared_data" && ++writes === n) throw new GuestError("died");
      return undefined;
    };
    expect(() => host.push(frame)).toThrow("died");
    host.fault = undefined;
  }

  it("leaves version 0; a delta is refused, a snapshot taken once the lease is over", () => {
    host.pushAll(snapshot([frontend(1)], 5));
    dieAtWrite(2, upsert(5, frontend(2)));
    expect(version(1).version).toBe(0);
    expect(host.push(upsert(5, frontend(2)), { worker: 1 })).toMatchObject({
      status: 409,
      version: 0,
    });
    const frames = snapshot([frontend(1), frontend(2)], 6);
    expect(host.push(frames[0] as Uint8Array, { worker: 1 }).status).toBe(409);
    time += 2n * SECOND;
    host.pushAll(frames, { worker: 1 });
    expect(version()).toMatchObject({ version: 6, frontends: 2 });
  });

  it("and wakes up again has lost the head, and says so", () => {
    host.pushAll(snapshot([frontend(1)], 5));
    const frames = snapshot([frontend(3)], 9);
    // Long after its lease, in the middle of its last bucket: the other worker takes over.
    beforeRead(4, () => {
      time += 5n * SECOND;
      host.pushAll(frames, { worker: 1 });
    });
    expect(host.push(upsert(5, frontend(2))).status).toBe(500);
    expect(version()).toMatchObject({ version: 9, frontends: 1 });
  });

  it("goes on serving what it has meanwhile", () => {
    host.pushAll(snapshot([frontend(1)], 5));
    dieAtWrite(2, upsert(5, frontend(2)));
    expect(host.connect("10.96.0.1:80", { worker: 1 })).toHaveProperty("backend");
  });
});

it("a host that takes no writes leaves version 0 and says so", () => {
  host.pushAll(snapshot([frontend(1)], 5));
  let writes = 0;
  host.fault = (name) =>
    name === "proxy_set_shared_data" && ++writes === 2 ? STATUS.internalFailure : undefined;
  expect(host.push(upsert(5, frontend(2)))).toMatchObject({ status: 500 });
  host.fault = undefined;
  expect(version().version).toBe(0);
  host.pushAll(snapshot([frontend(2)], 6));
  expect(version().version).toBe(6);
});

describe("a long list", () => {
  const before = backends(1000, 1);
  const after = backends(900, 2);

  it("is read whole before or whole after, however often it is replaced under the reader", () => {
    host.pushAll(snapshot([frontend(1, { backends: before })], 1));
    const old = new Set(before.map(backendText));
    const present = new Set(after.map(backendText));
    let base = 1;
    for (let n = 1; n <= 4; n++) {
      for (const list of [after, before]) {
        beforeRead(n, () => {
          const frame = upsert(base, frontend(1, { backends: list }));
          expect(host.push(frame, { worker: 1 }).status).toBe(200);
          base++;
        });
        const { backend = "" } = host.connect("10.96.0.1:80");
        expect(old.has(backend) || present.has(backend)).toBe(true);
        host.shared.beforeRead = undefined;
      }
    }
  });

  it("is not picked from after it was replaced by a short one, or removed", () => {
    host.pushAll(snapshot([frontend(1, { backends: before })], 1));
    beforeRead(2, () => {
      host.push(upsert(1, frontend(1, { backends: backends(1, 3) })), { worker: 1 });
    });
    expect(host.connect("10.96.0.1:80")).toEqual({ backend: "10.3.0.1:8080" });
    host.push(upsert(2, frontend(1, { backends: before })));
    beforeRead(2, () => {
      const removals = [keyBytesFromFrontend(frontend(1))];
      host.push(deltaFrame({ upserts: [], removals }, 3, 4), { worker: 1 });
    });
    expect(host.connect("10.96.0.1:80")).toEqual({ closed: "unknown-frontend" });
  });

  it("is dumped of one piece, however often it is replaced meanwhile", () => {
    const lists = [1, 2, 3].map((subnet) => backends(1000, subnet));
    const bucket = bucketOfKey(keyBytesFromFrontend(frontend(1)));
    host.pushAll(snapshot([frontend(1, { backends: lists[0] as Backend[] })], 1));
    // Read 1 is the head, 2 the bucket, the rest its chunks. Twice: the generation is back again.
    for (let n = 2; n <= 10; n++) {
      beforeRead(n, () => {
        const base = version(1).version;
        host.pushAll([upsert(base, frontend(1, { backends: lists[n % 3] as Backend[] }))], {
          worker: 1,
        });
        host.pushAll(
          [upsert(base + 1, frontend(1, { backends: lists[(n + 1) % 3] as Backend[] }))],
          { worker: 1 },
        );
      });
      const page = host.request("GET", `/v1/dump?first=${bucket}&count=1`);
      expect(lists.map((list) => list.map(backendText))).toContainEqual(
        decodeFrame(page.body).upserts[0]?.backends.map(backendText),
      );
      expect(decodeFrame(page.body).version).toBe(0);
    }
  });

  it("holds shared data once, not once for each time it was replaced", () => {
    host.pushAll(snapshot([frontend(1, { backends: before })], 1));
    const once = host.shared.bytes;
    for (let base = 1; base < 20; base++) {
      host.push(upsert(base, frontend(1, { backends: before })), { worker: base % 2 });
      expect(host.shared.bytes).toBe(once);
    }
  });
});

describe("new code", () => {
  it("finds the table of the old", async () => {
    const long = frontend(2, { backends: backends(1000) });
    host.pushAll(snapshot([frontend(1), long], 5));
    const next = await WasmHost.load(PLUGIN, { shared: host.shared, build: "next" });
    expect(JSON.parse(next.request("GET", "/v1/version").body.toString())).toMatchObject({
      version: 5,
      build: "next",
    });
    expect(next.connect("10.96.0.2:80")).toHaveProperty("backend");
    expect(next.push(upsert(5, frontend(3))).status).toBe(200);
    expect(host.connect("10.96.0.3:80")).toHaveProperty("backend");
    expect(version()).toMatchObject({ version: 6, build: "" });
  });
});
