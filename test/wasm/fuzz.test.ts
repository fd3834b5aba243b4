// Whatever bytes, statuses and texts come: the plugin never traps (a trap would be thrown here),
// and what it refuses changes nothing.

import fc from "fast-check";
import { beforeEach, expect, it } from "vitest";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { STATS_KEY_BYTES } from "../../plugin/wire/stats-layout.ts";
import { WasmHost } from "./host.ts";
import { backends, backendText, frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";

const LONG = frontend(2, { backends: backends(400) });
const V6 = frontend(3, {
  address: "fd00::3",
  backends: [{ address: "fd00:1::1", port: 80, local: true }],
});
const STICKY = frontend(6, { backends: backends(400), affinityTimeoutSeconds: 60 });
const TABLE = [frontend(1), LONG, V6, frontend(4, { backends: [] }), STICKY];
const SNAPSHOT = snapshot(TABLE, 9)[0] as Uint8Array;
const DELTA = deltaFrame(
  {
    upserts: [frontend(1, { backends: backends(9) }), frontend(7), V6, LONG].map(record),
    removals: [frontend(4), frontend(5)].map((each) => keyBytesFromFrontend(each)),
  },
  8,
  9,
);
const BACKENDS = new Set([...LONG.backends, ...backends(9)].map(backendText));

let host: WasmHost;
beforeEach(async () => {
  host = await WasmHost.load(PLUGIN);
  host.pushAll(snapshot(TABLE, 8));
});

/** Pushes; if it is refused, it must have been counted, told and without effect. */
function pushAnything(bytes: Uint8Array, partBytes: number): void {
  const before = host.shared.content();
  const refused = host.counter("frames_refused");
  const answer = host.push(bytes, { partBytes });
  expect([200, 400, 409]).toContain(answer.status);
  if (answer.status !== 200) expect(host.shared.content()).toEqual(before);
  if (answer.status === 400) expect(answer.error).toMatch(/^.+ \d+(.* \(\d+\))?, at byte \d+$/);
  expect(host.counter("frames_refused")).toBe(refused + (answer.status === 400 ? 1 : 0));
}

it("takes no random bytes", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 300 }),
      (bytes, part) => pushAnything(bytes, part),
    ),
    { numRuns: 1000 },
  );
});

const place = fc.record({
  at: fc.nat({ max: DELTA.length - 1 }),
  value: fc.oneof(fc.constantFrom(0, 1, 2, 4, 6, 0x7f, 0x80, 0xff), fc.nat({ max: 255 })),
});

/** Changes of single bytes, most of them in headers, then a cut or some bytes more. */
function mutated(frame: Uint8Array, base: number): fc.Arbitrary<Uint8Array> {
  const near = place.map(({ at, value }) => ({ at: base + (at % 120), value }));
  return fc
    .record({
      changes: fc.array(fc.oneof(near, place), { maxLength: 4 }),
      length: fc.option(fc.nat({ max: frame.length + 20 })),
    })
    .map(({ changes, length }) => {
      const bytes = new Uint8Array(length ?? frame.length);
      bytes.set(frame.subarray(0, bytes.length));
      for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    });
}

const anyFrame = fc.oneof(mutated(DELTA, 0), mutated(SNAPSHOT, 0), mutated(DELTA, 40));

it("takes mutated frames whole or not at all, and only ever picks what is listed", () => {
  fc.assert(
    fc.property(anyFrame, (bytes) => {
      pushAnything(bytes, bytes.length);
      const { backend } = host.connect("10.96.0.2:80");
      if (backend && host.counter("frames_refused") > 0) expect(backend).toMatch(/^\d+\./);
      host.request("GET", "/v1/dump");
      host.pushAll(snapshot(TABLE, 8));
      expect(BACKENDS).toContain(host.connect("10.96.0.2:80").backend);
    }),
    { numRuns: 500 },
  );
});

it("survives any bytes in shared data", () => {
  const keys = [...host.shared.content().keys()];
  const entry = fc.record({
    key: fc.constantFrom(...keys),
    value: fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      anyFrame.map((bytes) => bytes.slice(40)),
    ),
  });
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), (entries) => {
      for (const { key, value } of entries) {
        host.shared.set(Buffer.from(key, "hex"), Buffer.from(value), 0);
      }
      for (const at of ["10.96.0.1:80", "10.96.0.2:80", "[fd00::3]:80"]) host.connect(at);
      host.request("GET", "/v1/version");
      host.request("GET", "/v1/dump");
      host.push(DELTA);
      host.push(SNAPSHOT);
    }),
    { numRuns: 300 },
  );
  expect(host.request("GET", "/v1/version")).toBeDefined();
});

it("survives any status of any host function", () => {
  const faults = fc.array(fc.tuple(fc.nat({ max: 60 }), fc.constantFrom(1, 2, 3, 7, 8, 10, 99)), {
    maxLength: 4,
  });
  const calls = ["connect", "sticky", "version", "dump", "ejected", "delta", "snapshot"] as const;
  fc.assert(
    fc.property(faults, fc.constantFrom(...calls), (statuses, call) => {
      let count = 0;
      host.fault = (name) => {
        const fault = statuses.find(([at]) => at === count);
        count++;
        // An unanswered request or an open connection would be the host's doing.
        const silent = name === "proxy_send_local_response" || name === "proxy_close_stream";
        return silent ? undefined : fault?.[1];
      };
      if (call === "connect") host.connect("10.96.0.2:80");
      else if (call === "sticky") host.connect("10.96.0.6:80");
      else if (call === "version") host.request("GET", "/v1/version?");
      else if (call === "dump") host.request("GET", "/v1/dump?first=0&count=20");
      else if (call === "ejected") host.request("GET", "/v1/ejected");
      else host.push(call === "delta" ? DELTA : SNAPSHOT);
      host.fault = undefined;
    }),
    { numRuns: 1000 },
  );
  expect(host.request("GET", "/v1/version")).toBeDefined();
});

it("survives any destination, any source and any request", () => {
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."0123456789abcdef:.[]%"), maxLength: 60 }),
    fc.string({ maxLength: 300 }),
    fc.tuple(fc.ipV6(), fc.nat({ max: 70000 })).map(([address, port]) => `[${address}]:${port}`),
  );
  const path = fc
    .tuple(fc.constantFrom("/v1/dump?", "/v1/dump?first=", "/", "/v1/version"), fc.string())
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, path, fc.constantFrom("GET", "POST", "", "HEAD"), (at, where, method) => {
      host.connect(at);
      expect(host.connect("10.96.0.6:80", { source: at })).toHaveProperty("backend");
      host.request(method, where, new Uint8Array(7), { partBytes: 3 });
    }),
    { numRuns: 1000 },
  );
});

it("reads every IPv6 text as its address", () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const zoneless = text.replace(/%.*/, "");
      const { hostname } = new URL(`http://[${zoneless}]/`);
      const address = hostname.slice(1, -1);
      if (/^::ffff:/.test(address)) return;
      const list = [{ address: "fd00:1::1", port: 80, local: false }];
      host.pushAll(snapshot([frontend(1, { address, backends: list })], 1));
      expect(host.connect(`[${zoneless}]:80`)).toHaveProperty("backend");
    }),
    { numRuns: 300 },
  );
});

it("forgets nothing of what it counted by random bytes, unless they name it", () => {
  host.connect("10.96.0.1:80");
  host.tick();
  const before = host.shared.content();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 140 }),
      fc.integer({ min: 1, max: 140 }),
      (keys, part) => {
        const { status } = host.request("POST", "/v1/stats/forget", keys, { partBytes: part });
        expect(status).toBe(keys.length % STATS_KEY_BYTES === 0 ? 200 : 400);
        expect(host.shared.content()).toEqual(before);
      },
    ),
    { numRuns: 500 },
  );
});
