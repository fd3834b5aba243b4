import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_BACKENDS, MAX_NAME_BYTES, RECORD_HEADER_BYTES } from "../../plugin/wire/layout.ts";
import { addressBytes } from "../model/ip.ts";
import type { Balancing } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Backend, Frontend, FrontendSettings } from "../node/types.ts";
import { type DecodedRecord, decodeRecord } from "./decode.ts";
import { textFromRecords } from "./dump.ts";
import { BALANCING_NUMBERS, recordFromFrontend } from "./encode.ts";
import { type BackendList, bucketOfKey, keyBytesFromFrontend, readKey } from "./key.ts";

const WEB: Frontend = {
  key: "10.96.0.10:80/TCP",
  family: "IPv4",
  address: "10.96.0.10",
  port: 80,
  protocol: "TCP",
  kind: "ClusterIP",
  namespace: "shop",
  service: "web",
  portName: "http",
  verdict: "keep",
  backends: [
    { address: "10.1.0.11", port: 8080, local: true },
    { address: "10.1.0.12", port: 8080, local: false },
  ],
  localBackends: [],
  allowedSources: [],
  affinityTimeoutSeconds: 0,
  settings: DEFAULT_SETTINGS,
};

const BALANCINGS = Object.keys(BALANCING_NUMBERS) as Balancing[];

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("hex");
}

function decoded(frontend: Frontend, list?: BackendList): DecodedRecord {
  const { record, problem } = recordFromFrontend(frontend, list);
  if (!record) throw new Error(problem.message);
  return decodeRecord(record);
}

it("writes a record as the layout draws it", () => {
  const key = `040600500a60000a${"00".repeat(12)}`;
  const serviceId = "adf0de7b0f40fb52"; // sha256sum of shop\\0web\\0http\\0TCP
  const head = `59000000${key}01000d00020000000000000000000000${serviceId}`;
  const settings = `01000000${"00".repeat(8)}`;
  const backends = "0a01000b1f9001000a01000c1f900000";
  const names = Buffer.from("shop\0web\0http").toString("hex");
  expect(hex(recordFromFrontend(WEB).record)).toBe(head + settings + backends + names);
});

it("gives all frontends of a ServicePort the same identity, and no other", () => {
  const identity = (own: Partial<Frontend>) =>
    hex(recordFromFrontend({ ...WEB, ...own }).record?.subarray(40, 48));
  expect(identity({ kind: "NodePort", port: 30080, address: "192.0.2.1" })).toBe(identity({}));
  const others: Partial<Frontend>[] = [
    { namespace: "shop2" },
    { service: "web2" },
    { portName: "" },
    { protocol: "UDP" },
  ];
  expect(new Set([{}, ...others].map(identity)).size).toBe(5);
});

it("knows the bucket of a key: FNV-1a of its bytes", () => {
  expect(hex(keyBytesFromFrontend(WEB))).toBe(`040600500a60000a${"00".repeat(12)}`);
  expect(bucketOfKey(new Uint8Array(20))).toBe(fnv1a(new Uint8Array(20)) % 16384);
  expect(bucketOfKey(keyBytesFromFrontend(WEB))).toBe(fnv1a(keyBytesFromFrontend(WEB)) % 16384);
});

/** The textbook algorithm, in arithmetic that cannot overflow. */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
  return Number(hash);
}

const ipv4 = fc.ipV4();
const ipv6 = fc
  .array(fc.nat({ max: 0xffff }), { minLength: 8, maxLength: 8 })
  .map((groups) => new URL(`http://[${groups.map((g) => g.toString(16)).join(":")}]/`).hostname)
  .map((host) => host.slice(1, -1))
  .filter((address) => !address.startsWith("::ffff:"));

function backendsOf(address: fc.Arbitrary<string>): fc.Arbitrary<Backend[]> {
  const port = fc.integer({ min: 1, max: 65535 });
  const backend: fc.Arbitrary<Backend> = fc.record(
    {
      address,
      port,
      local: fc.boolean(),
      weight: fc.integer({ min: 2, max: 255 }),
      isPreferred: fc.constant(true as const),
    },
    { requiredKeys: ["address", "port", "local"] },
  );
  return fc
    .uniqueArray(backend, {
      selector: (backend) => `${backend.address} ${backend.port}`,
      maxLength: 20,
    })
    .map((list) =>
      list.sort(
        (a, b) =>
          Buffer.compare(addressBytes(a.address), addressBytes(b.address)) || a.port - b.port,
      ),
    );
}

const frontends = fc
  .constantFrom({ family: "IPv4" as const, of: ipv4 }, { family: "IPv6" as const, of: ipv6 })
  .chain(({ family, of }) =>
    fc.record({
      family: fc.constant(family),
      address: of,
      port: fc.integer({ min: 1, max: 65535 }),
      protocol: fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const),
      kind: fc.constantFrom("ClusterIP" as const, "NodePort" as const, "LoadBalancer" as const),
      portName: fc.constantFrom("", "http", "größe"),
      backends: backendsOf(of),
      affinityTimeoutSeconds: fc.nat({ max: 86400 }),
      settings: fc.record<FrontendSettings>({
        balancing: fc.constantFrom(...BALANCINGS),
        ejection: fc.boolean(),
        maxConnections: fc.nat({ max: 4_294_967_295 }),
        maxNewConnectionsPerSecond: fc.nat({ max: 4_294_967_295 }),
      }),
    }),
  )
  .map((own) => ({ ...WEB, ...own }));

it("reads back what it wrote", () => {
  fc.assert(
    fc.property(frontends, (frontend) => {
      const { key: _key, verdict: _v, localBackends: _l, allowedSources: _s, ...kept } = frontend;
      const { bytes: _bytes, keyBytes, ...read } = decoded(frontend);
      expect(read).toEqual({ ...kept, list: "cluster" });
      expect(hex(keyBytes)).toBe(hex(keyBytesFromFrontend(frontend)));
      expect(readKey(keyBytes, 0)).toMatchObject({ address: frontend.address });
    }),
  );
});

it("writes the local list under the same key with the bit of its family", () => {
  const frontend = { ...WEB, localBackends: WEB.backends.slice(0, 1) };
  const { record } = recordFromFrontend(frontend, "local");
  const { list, address, backends, keyBytes } = decodeRecord(record as Uint8Array);
  expect({ list, address, backends }).toEqual({
    list: "local",
    address: WEB.address,
    backends: frontend.localBackends,
  });
  expect(keyBytes).toEqual(keyBytesFromFrontend(frontend, "local"));
  expect(hex(keyBytes)).toBe(hex(keyBytesFromFrontend(WEB)).replace(/^04/, "84"));
});

describe("limits", () => {
  it("go to a problem with the limit's name, and no bytes", () => {
    const backend = { address: "10.1.0.1", port: 1, local: false };
    const many = { ...WEB, backends: Array.from({ length: MAX_BACKENDS + 1 }, () => backend) };
    const { record, problem } = recordFromFrontend(many);
    expect(record).toBeUndefined();
    expect(problem?.object).toBe("Service shop/web");
    expect(problem?.message).toContain("65536 backends, over MAX_BACKENDS (65535)");
  });

  it("count name bytes, not characters", () => {
    const fits = { ...WEB, namespace: "", service: "", portName: "x".repeat(MAX_NAME_BYTES - 2) };
    expect(recordFromFrontend(fits).record).toHaveLength(RECORD_HEADER_BYTES + 16 + MAX_NAME_BYTES);
    const over = { ...fits, portName: "ü".repeat(127) };
    expect(recordFromFrontend(over).problem?.message).toContain("256 name bytes");
  });
});

it("fails loudly when backends are not sorted: our bug", () => {
  const backends = [...WEB.backends].reverse();
  expect(() => recordFromFrontend({ ...WEB, backends })).toThrow("10.1.0.11 port 8080");
});

it("tells settings to people where they are not Portico's own", () => {
  const settings: FrontendSettings = {
    balancing: "weighted",
    ejection: false,
    maxConnections: 100,
    maxNewConnectionsPerSecond: 7,
  };
  const backends: Backend[] = [
    { address: "10.1.0.11", port: 8080, local: true, weight: 20 },
    { address: "10.1.0.12", port: 8080, local: false, isPreferred: true },
  ];
  expect(textFromRecords([decoded({ ...WEB, settings, backends })])).toBe(
    "10.96.0.10:80/TCP ClusterIP shop/web:http weighted no ejection at most 100 connections " +
      "at most 7 new connections a second\n" +
      "  10.1.0.11:8080 local weight 20\n" +
      "  10.1.0.12:8080 preferred\n",
  );
});

it("is told to people", () => {
  const none = { ...WEB, protocol: "UDP" as const, kind: "NodePort" as const, portName: "" };
  const six = { address: "fd00::1", port: 9, local: false };
  const text = textFromRecords([
    decoded(WEB),
    decoded({ ...none, backends: [], affinityTimeoutSeconds: 60 }),
    decoded({ ...WEB, family: "IPv6", address: "fd00::a", backends: [six] }),
    decoded({ ...WEB, localBackends: WEB.backends.slice(0, 1) }, "local"),
  ]);
  expect(text).toBe(
    "10.96.0.10:80/TCP ClusterIP shop/web:http\n" +
      "  10.1.0.11:8080 local\n" +
      "  10.1.0.12:8080\n" +
      "10.96.0.10:80/UDP NodePort shop/web affinity 60s (no backend)\n" +
      "[fd00::a]:80/TCP ClusterIP shop/web:http\n" +
      "  [fd00::1]:9\n" +
      "10.96.0.10:80/TCP ClusterIP shop/web:http local list\n" +
      "  10.1.0.11:8080 local\n",
  );
});
