// Pushing and dumping: which frames are taken, which are not, and that what was pushed comes back.

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { decodeFrame } from "../../controller/wire/decode.ts";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { bucketOfKey, keyBytesFromFrontend } from "../../controller/wire/key.ts";
import {
  BUCKET_COUNT,
  MAX_BACKENDS,
  MAX_FRAME_BYTES,
  RECORD_BACKEND_COUNT_OFFSET,
} from "../../plugin/wire/layout.ts";
import { WasmHost } from "./host.ts";
import { backends, frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";

let host: WasmHost;
beforeEach(async () => {
  host = await WasmHost.load(PLUGIN, { workers: 2, build: "abc123" });
});

function version(worker = 0): unknown {
  return JSON.parse(host.request("GET", "/v1/version", undefined, { worker }).body.toString());
}

function dump(query = ""): ReturnType<typeof decodeFrame> {
  return decodeFrame(host.request("GET", `/v1/dump${query}`).body);
}

const MANY = Array.from({ length: 300 }, (_, index) => frontend(index));

describe("a snapshot", () => {
  it("comes back from a dump byte for byte, from any worker", () => {
    const all = [
      ...MANY,
      frontend(1000, { backends: [] }),
      frontend(1001, { protocol: "UDP", port: 53, kind: "NodePort", affinityTimeoutSeconds: 60 }),
      frontend(1002, { backends: backends(129) }),
      frontend(1003, { backends: backends(5000) }),
      frontend(1004, {
        address: "fd00::a",
        backends: [{ address: "fd00:1::1", port: 1, local: true }],
      }),
      frontend(1005, {
        settings: {
          balancing: "weighted",
          ejection: false,
          maxConnections: 4_294_967_295,
          maxNewConnectionsPerSecond: 7,
        },
        backends: backends(200).map((each) => ({ ...each, weight: 255, isPreferred: true })),
      }),
    ];
    const frames = snapshot(all, 7, 4096);
    expect(frames.length).toBeGreaterThan(5);
    host.pushAll(frames);
    expect(version(1)).toEqual({
      version: 7,
      wireVersion: 3,
      build: "abc123",
      frontends: all.length,
      loading: null,
    });
    const whole = snapshot(all, 7, Number.MAX_SAFE_INTEGER)[0] as Uint8Array;
    const dumped = host.request("GET", "/v1/dump", undefined, { worker: 1 });
    expect(dumped.headers["content-type"]).toBe("application/octet-stream");
    expect(dumped.body.equals(whole)).toBe(true);
  });

  it("replaces what was there, long lists included", () => {
    const long = frontend(1, { backends: backends(1000) });
    host.pushAll(snapshot([long, frontend(2), frontend(3)], 1));
    const full = host.shared.bytes;
    host.pushAll(snapshot([frontend(3, { backends: backends(2) })], 2));
    expect(dump().upserts.map(({ service }) => service)).toEqual(["web-3"]);
    expect(version()).toMatchObject({ version: 2, frontends: 1 });
    // The chunks of the long list hold nothing any more.
    expect(host.shared.bytes).toBeLessThan(full - 1000 * 8);
  });

  it("has version 0 until its last frame, and says how far it is", () => {
    const frames = snapshot(MANY, 4, 4096);
    host.pushAll(frames.slice(0, 2));
    const { firstBucket } = decodeFrame(frames[2] as Uint8Array);
    expect(version()).toMatchObject({
      version: 0,
      loading: { version: 4, nextBucket: firstBucket },
    });
    expect(dump().version).toBe(0);
    host.pushAll(frames.slice(2), { worker: 1 });
    expect(version()).toMatchObject({ version: 4, loading: null });
  });

  it("goes on only where it stopped, but may begin again", () => {
    const frames = snapshot(MANY, 4, 4096);
    host.pushAll(frames.slice(0, 3));
    const others = snapshot(MANY, 5, 4096);
    expect(host.push(frames[1] as Uint8Array).status).toBe(409);
    expect(host.push(frames[4] as Uint8Array).status).toBe(409);
    expect(host.push(others[3] as Uint8Array)).toMatchObject({ status: 409, version: 0 });
    host.pushAll(others);
    expect(version()).toMatchObject({ version: 5, frontends: MANY.length });
    expect(host.counter("frames_refused")).toBe(0);
  });
});

describe("a delta", () => {
  beforeEach(() => host.pushAll(snapshot(MANY, 10)));

  it("adds, replaces and removes", () => {
    const changed = [frontend(5, { backends: [] }), frontend(9, { backends: backends(700) })];
    const added = [frontend(2000), frontend(2001, { address: "fd00::1", backends: [] })];
    const removed = [frontend(7), frontend(8), frontend(4444)];
    const delta = {
      upserts: [...changed, ...added].map(record),
      removals: removed.map((each) => keyBytesFromFrontend(each)),
    };
    expect(host.push(deltaFrame(delta, 10, 11))).toEqual({ status: 200, version: 11 });
    const expected = new Map(MANY.map((one) => [one.key, one]));
    for (const one of removed) expected.delete(one.key);
    for (const one of [...changed, ...added]) expected.set(one.key, one);
    const whole = snapshot([...expected.values()], 11, Number.MAX_SAFE_INTEGER)[0] as Uint8Array;
    expect(host.request("GET", "/v1/dump").body.equals(whole)).toBe(true);
    expect(version()).toMatchObject({ version: 11, frontends: expected.size });
  });

  it("on a wrong base changes nothing and names the present version", () => {
    const before = host.shared.content();
    const delta = { upserts: [record(frontend(1, { backends: [] }))], removals: [] };
    expect(host.push(deltaFrame(delta, 9, 12))).toMatchObject({ status: 409, version: 10 });
    expect(host.push(deltaFrame(delta, 11, 12))).toMatchObject({ status: 409, version: 10 });
    expect(host.shared.content()).toEqual(before);
  });

  it("empty moves the version only", () => {
    expect(host.push(deltaFrame({ upserts: [], removals: [] }, 10, 20))).toMatchObject({
      version: 20,
    });
    expect(version()).toMatchObject({ frontends: MANY.length });
  });

  it("any row of them ends where the model does", () => {
    const step = fc.record({
      upserts: fc.uniqueArray(fc.tuple(fc.nat(20), fc.constantFrom(0, 1, 127, 128, 129, 300)), {
        selector: ([index]) => index,
        maxLength: 6,
      }),
      removals: fc.uniqueArray(fc.integer({ min: 21, max: 30 }), { maxLength: 3 }),
      moved: fc.uniqueArray(fc.integer({ min: 21, max: 30 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const model = new Map([1, 2, 3].map((index) => [index, frontend(index)]));
        host.pushAll(snapshot([...model.values()], 1));
        let at = 1;
        for (const { upserts, removals, moved } of steps) {
          const changes = upserts.map(([index, count]) =>
            frontend(index, { backends: backends(count) }),
          );
          const kept = moved.filter((index) => !removals.includes(index)).map((i) => frontend(i));
          for (const one of [...changes, ...kept]) model.set(Number(one.service.slice(4)), one);
          for (const index of removals) model.delete(index);
          const delta = {
            upserts: [...changes, ...kept].map(record),
            removals: removals.map((index) => keyBytesFromFrontend(frontend(index))),
          };
          expect(host.push(deltaFrame(delta, at, at + 1), { worker: at % 2 }).status).toBe(200);
          at++;
        }
        const whole = snapshot([...model.values()], at, Number.MAX_SAFE_INTEGER)[0] as Uint8Array;
        expect(host.request("GET", "/v1/dump").body.equals(whole)).toBe(true);
        expect(version()).toMatchObject({ version: at, frontends: model.size });
      }),
      { numRuns: 60 },
    );
  });
});

it("hashes keys as the controller does", () => {
  const address = fc.oneof(fc.ipV4(), fc.constantFrom("fd00::1", "2001:db8::ffff", "::1"));
  fc.assert(
    fc.property(address, fc.integer({ min: 1, max: 65535 }), (text, port) => {
      const one = frontend(1, { address: text, port, backends: [] });
      const bucket = bucketOfKey(keyBytesFromFrontend(one));
      host.pushAll(snapshot([one], 1));
      expect(dump(`?first=${bucket}&count=1`).upserts).toHaveLength(1);
      expect(dump(`?count=${Math.max(bucket, 1)}`).upserts).toHaveLength(bucket === 0 ? 1 : 0);
    }),
    { numRuns: 30 },
  );
});

describe("limits", () => {
  it("are named with the value and the place", () => {
    const one = record(frontend(1));
    new DataView(one.buffer).setUint32(RECORD_BACKEND_COUNT_OFFSET, MAX_BACKENDS + 1, true);
    const [frame] = snapshot([], 1);
    const bytes = Buffer.concat([frame as Uint8Array, one]);
    bytes.writeUInt32LE(1, 32);
    const refused = "backend count 65536 is over MAX_BACKENDS (65535), at byte 68";
    expect(host.push(bytes)).toEqual({ status: 400, error: refused });
    expect(host.counter("frames_refused")).toBe(1);
  });

  it("a list of MAX_BACKENDS is served", () => {
    const full = frontend(1, { backends: backends(MAX_BACKENDS) });
    host.pushAll(snapshot([full], 1));
    expect(dump().upserts[0]?.backends).toHaveLength(MAX_BACKENDS);
    expect(host.connect("10.96.0.1:80")).toHaveProperty("backend");
  });

  it("a bucket may not grow over MAX_BUCKET_BYTES by deltas", () => {
    const inOne = Array.from({ length: 65000 }, (_, index) => frontend(index, { backends: [] }))
      .flatMap((one) => [1, 2, 3, 4, 5].map((port) => ({ ...one, port, key: `${port}${one.key}` })))
      .filter((one) => bucketOfKey(keyBytesFromFrontend(one)) === 77)
      .slice(0, 9)
      .map((one) => record({ ...one, backends: backends(MAX_BACKENDS) }));
    expect(inOne).toHaveLength(9);
    host.pushAll(snapshot([], 1));
    for (let i = 0; i < 8; i += 2) {
      const delta = { upserts: inOne.slice(i, i + 2), removals: [] };
      const answer = host.push(deltaFrame(delta, 1 + i, 3 + i));
      if (i < 6) expect(answer.status).toBe(200);
      else expect(answer.error).toMatch(/^bucket's bytes \d+ is over MAX_BUCKET_BYTES \(4194304\)/);
    }
    expect(version()).toMatchObject({ version: 7, frontends: 6 });
  });

  it("a body over MAX_FRAME_BYTES is refused before it is all there", () => {
    const big = new Uint8Array(MAX_FRAME_BYTES * 2);
    const answer = host.push(big, { partBytes: 1 << 20 });
    expect(answer).toMatchObject({ status: 413 });
    expect(answer.error).toContain("MAX_FRAME_BYTES");
  });

  it("a dump ends its page before MAX_FRAME_BYTES", () => {
    const heavy = Array.from({ length: 20 }, (_, index) =>
      frontend(index, { backends: backends(MAX_BACKENDS) }),
    );
    host.pushAll(snapshot(heavy, 1));
    const first = dump();
    expect(first.bucketCount).toBeLessThan(BUCKET_COUNT);
    const rest = dump(`?first=${first.bucketCount}&count=${BUCKET_COUNT}`);
    expect(first.upserts.length + rest.upserts.length).toBe(heavy.length);
  });
});

describe("other requests", () => {
  it.each([
    ["GET", "/", 404],
    ["GET", "/v1/versions", 404],
    ["POST", "/v1/version", 405],
    ["GET", "/v1/frames", 405],
    ["PUT", "/v1/frames", 405],
    ["POST", "/v1/frames", 400],
    ["GET", "/v1/dump?first=16384&count=1", 400],
    ["GET", "/v1/dump?first=0&count=0", 400],
    ["GET", "/v1/dump?first=-1", 400],
    ["GET", "/v1/dump?first=99999999999999999999", 400],
    ["GET", "/v1/dump?bucket=1", 400],
    ["GET", "/v1/dump?first", 400],
    ["GET", "/v1/dump?first=16383&count=16384", 200],
    ["GET", "/v1/version?x", 200],
  ])("%s %s gives %i", (method, path, status) => {
    const answer = host.request(method, path);
    expect(answer.status).toBe(status);
    if (status !== 200) expect(JSON.parse(answer.body.toString())).toHaveProperty("error");
  });

  it("a query after the path of a body is ignored, and makes it no frame", () => {
    const [frame] = snapshot([frontend(1)], 1) as [Uint8Array];
    for (const path of ["/v1/stats/forget?x", "/v1/affinity/take?x"]) {
      expect(host.request("POST", path, frame).status, path).toBe(400);
    }
    expect(host.request("POST", "/v1/stats/forget?x", new Uint8Array(28)).status).toBe(200);
    expect(host.counter("frames_refused")).toBe(0);
    expect(host.connect("10.96.0.1:80")).toEqual({ closed: "unknown-frontend" });
    expect(host.request("POST", "/v1/frames?x", frame).status).toBe(200);
  });
});
