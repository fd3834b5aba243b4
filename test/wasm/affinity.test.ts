// Session affinity: which client goes on with which backend, and until when.

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { Frontend } from "../../controller/node/types.ts";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { notEmpty } from "../not-empty.ts";
import { type Connected, type ConnectOptions, WasmHost } from "./host.ts";
import { backends, backendText, frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";

const SECOND = 1_000_000_000n;
const TIMEOUT = 60;
const AT = "10.96.0.1:80";
const STICKY = frontend(1, { backends: backends(5), affinityTimeoutSeconds: TIMEOUT });

let time: bigint;
let wallTime: bigint;
let host: WasmHost;
beforeEach(async () => {
  time = 1_000n * SECOND;
  wallTime = 1_800_000_000n * SECOND;
  host = await WasmHost.load(PLUGIN, { workers: 2, steadyNow: () => time, now: () => wallTime });
  host.pushAll(snapshot([STICKY], 1));
});

/** Enough of them that something which happens by chance happens to some. */
const CLIENTS = Array.from({ length: 64 }, (_, index) => `10.2.0.${index}`);

let connections = 0;

/** Whom a client gets, from another port and on another worker each time. */
function backendOf(client: string, at = AT, options: ConnectOptions = {}): string {
  connections++;
  const source = `${client}:${1024 + (connections % 60_000)}`;
  const { backend, closed }: Connected = host.connect(at, {
    worker: connections % 2,
    source,
    ...options,
  });
  return backend ?? closed;
}

function backendsOf(at = AT, options: ConnectOptions = {}): string[] {
  return CLIENTS.map((client) => backendOf(client, at, options));
}

function push(base: number, ...frontends: Frontend[]): void {
  host.pushAll([deltaFrame({ upserts: frontends.map(record), removals: [] }, base, base + 1)]);
}

describe("a client", () => {
  it("goes on with its backend, and clients are spread over all", () => {
    const first = backendsOf();
    expect(new Set(first).size).toBe(5);
    for (let i = 0; i < 20; i++) expect(backendsOf()).toEqual(first);
  });

  it("is its address, not its port", () => {
    const [client = ""] = CLIENTS;
    const seen = Array.from({ length: 100 }, () => backendOf(client));
    expect(new Set(seen).size).toBe(1);
  });

  it("has an IPv6 address too", () => {
    const list = [1, 2, 3, 4].map((last) => ({
      address: `fd00:1::${last}`,
      port: 80,
      local: false,
    }));
    host.pushAll(
      snapshot([frontend(1, { address: "fd00::a", backends: list, affinityTimeoutSeconds: 9 })], 2),
    );
    const all = () => CLIENTS.map((_, index) => backendOf(`[fd00:2::${index}:1]`, "[fd00::a]:80"));
    const first = all();
    expect(new Set(first).size).toBe(4);
    expect(all()).toEqual(first);
  });

  it("that cannot be known is served by anyone", () => {
    for (const source of ["", "/run/x.sock", "10.2.0.1", "[fd00::1]:5"]) {
      const { backend } = host.connect(AT, { source });
      expect(STICKY.backends.map(backendText)).toContain(backend);
    }
  });
});

describe("the scope", () => {
  it("is the ServicePort, whichever frontend of it is dialled", () => {
    const own = { service: "web-1", backends: backends(5), affinityTimeoutSeconds: TIMEOUT };
    push(1, frontend(2, { ...own, kind: "NodePort", port: 30080 }));
    const first = backendsOf();
    expect(backendsOf("10.96.0.2:30080")).toEqual(first);
  });

  it.each<[string, Partial<Frontend>]>([
    ["another port", { service: "web-1", portName: "https" }],
    ["another Service", { service: "web-2" }],
    ["another namespace", { service: "web-1", namespace: "other" }],
  ])("is not %s", (_, own) => {
    push(1, frontend(2, { backends: backends(5), affinityTimeoutSeconds: TIMEOUT, ...own }));
    const first = backendsOf();
    expect(backendsOf("10.96.0.2:80")).not.toEqual(first);
    expect(backendsOf()).toEqual(first);
  });
});

describe("the timeout", () => {
  it("is over after so many seconds without a connection", () => {
    const first = backendsOf();
    time += BigInt(TIMEOUT) * SECOND;
    expect(backendsOf()).not.toEqual(first);
  });

  it("begins anew with every connection", () => {
    const first = backendsOf();
    for (let i = 0; i < 10; i++) {
      time += BigInt(TIMEOUT) * SECOND - 1n;
      expect(backendsOf()).toEqual(first);
    }
  });

  it("does not follow the machine's time when that is set", () => {
    const first = backendsOf();
    wallTime += 1_000_000n * SECOND;
    expect(backendsOf()).toEqual(first);
    wallTime = 0n;
    time += BigInt(TIMEOUT) * SECOND;
    expect(backendsOf()).not.toEqual(first);
  });

  it("is the one that the Service has now", () => {
    const first = backendsOf();
    push(1, { ...STICKY, affinityTimeoutSeconds: 10 });
    time += 9n * SECOND;
    expect(backendsOf()).toEqual(first);
    time += 10n * SECOND;
    expect(backendsOf()).not.toEqual(first);
  });

  it("is that of each Service, though they share buckets", () => {
    const own = { backends: backends(5), affinityTimeoutSeconds: 5 };
    push(1, frontend(2, own));
    const long = backendsOf();
    const short = backendsOf("10.96.0.2:80");
    time += 6n * SECOND;
    expect(backendsOf("10.96.0.2:80")).not.toEqual(short);
    expect(backendsOf()).toEqual(long);
  });
});

describe.each([5, 128, 300, 5000])("a backend, of %i,", (count) => {
  const all = backends(count);
  const of = (list: typeof all) => ({ ...STICKY, backends: list });

  it("that is gone is forgotten, and its clients settle elsewhere", () => {
    push(1, of(all));
    const first = backendsOf();
    const gone = new Set(first.slice(0, 2));
    const rest = all.filter((backend) => !gone.has(backendText(backend)));
    push(2, of(rest));
    const second = backendsOf();
    for (const [index, before] of first.entries()) {
      if (gone.has(before)) expect(gone).not.toContain(second[index]);
      else expect(second[index]).toBe(before);
    }
    expect(backendsOf()).toEqual(second);
    push(3, of(all));
    expect(backendsOf()).toEqual(second);
  });

  it("with another port is another", () => {
    push(1, of(all));
    backendsOf();
    push(2, of(all.map((backend) => ({ ...backend, port: 9090 }))));
    for (const text of notEmpty(backendsOf(), "backends")) expect(text).toMatch(/:9090$/);
  });

  it("stays when only what is written about it changes", () => {
    push(1, of(all));
    const first = backendsOf();
    push(2, of(all.map((backend) => ({ ...backend, local: !backend.local }))));
    expect(backendsOf()).toEqual(first);
  });
});

it("can be switched off and on while the Service lives", () => {
  const first = backendsOf();
  push(1, { ...STICKY, affinityTimeoutSeconds: 0 });
  expect(backendsOf()).not.toEqual(first);
  push(2, STICKY);
  const again = backendsOf();
  expect(backendsOf()).toEqual(again);
});

describe("with two lists", () => {
  const local = { list: "local" } as const;
  const both = { ...STICKY, localBackends: backends(2) };

  it("goes on across them where the backend is in both", () => {
    host.pushAll(snapshot([both], 2));
    const first = backendsOf(AT, local);
    expect(backendsOf()).toEqual(first);
    expect(backendsOf(AT, local)).toEqual(first);
  });

  it("keeps a backend for each where it is not", () => {
    host.pushAll(snapshot([both], 2));
    const cluster = backendsOf();
    const inLocal = backendsOf(AT, local);
    const texts = both.localBackends.map(backendText);
    for (const [index, backend] of cluster.entries()) {
      if (texts.includes(backend)) expect(inLocal[index]).toBe(backend);
      else expect(texts).toContain(inLocal[index]);
    }
    for (let i = 0; i < 3; i++) {
      expect(backendsOf()).toEqual(cluster);
      expect(backendsOf(AT, local)).toEqual(inLocal);
    }
  });
});

it("outlives the code", async () => {
  const first = backendsOf();
  host = await WasmHost.load(PLUGIN, {
    workers: 2,
    seed: 99,
    shared: host.shared,
    steadyNow: () => time,
  });
  expect(backendsOf()).toEqual(first);
});

describe("two workers at once", () => {
  /** Lets a connection happen on the other worker just before the first one writes. */
  function beforeWrite(meanwhile: () => void): void {
    host.fault = (name) => {
      if (name !== "proxy_set_shared_data") return undefined;
      host.fault = undefined;
      meanwhile();
      return undefined;
    };
  }

  it("agree on the backend of a new client", () => {
    for (const client of CLIENTS) {
      let inner = "";
      beforeWrite(() => {
        inner = backendOf(client, AT, { worker: 1 });
      });
      const outer = backendOf(client, AT, { worker: 0 });
      expect(inner).toBe(outer);
      expect(backendOf(client)).toBe(outer);
    }
  });

  it("lose nothing of what the other wrote into the same bucket", () => {
    // One client of many Services: they share no entry, but by chance some share a bucket.
    const many = Array.from({ length: 400 }, (_, index) =>
      frontend(index, { backends: backends(5), affinityTimeoutSeconds: TIMEOUT }),
    );
    host.pushAll(snapshot(many, 2));
    const at = (index: number) => `10.96.${index >> 8}.${index & 255}:80`;
    const seen: string[] = [];
    for (let index = 0; index < 400; index += 2) {
      beforeWrite(() => {
        seen[index + 1] = backendOf("10.2.0.1", at(index + 1), { worker: 1 });
      });
      seen[index] = backendOf("10.2.0.1", at(index), { worker: 0 });
    }
    expect(many.map((_, index) => backendOf("10.2.0.1", at(index)))).toEqual(seen);
  });

  it("that write again and again do not hold each other up", () => {
    host.fault = (name) => (name === "proxy_set_shared_data" ? 8 : undefined);
    expect(STICKY.backends.map(backendText)).toContain(backendOf("10.2.0.1"));
  });
});

describe("a host that fails", () => {
  it.each(["proxy_set_shared_data", "clock_time_get"])("%s serves all the same", (failing) => {
    host.fault = (name) => (name === failing ? 10 : undefined);
    const listed = STICKY.backends.map(backendText);
    for (const backend of notEmpty(backendsOf(), "backends")) expect(listed).toContain(backend);
  });

  it("to read what it remembers serves all the same", () => {
    let before = "";
    let failed = 0;
    host.fault = (name) => {
      // The read of the client is the one that follows a look at the clock.
      const isOfClient = name === "proxy_get_shared_data" && before === "clock_time_get";
      before = name;
      if (!isOfClient) return undefined;
      failed++;
      return 10;
    };
    const listed = STICKY.backends.map(backendText);
    for (const backend of notEmpty(backendsOf(), "backends")) expect(listed).toContain(backend);
    expect(failed).toBeGreaterThan(0);
  });
});

it("survives any bytes where clients are remembered, and picks what is listed", () => {
  const before = new Set(host.shared.content().keys());
  const clean = backendOf("10.2.0.1");
  const [key = ""] = [...host.shared.content().keys()].filter((each) => !before.has(each));
  const whole = Buffer.from(host.shared.content().get(key) ?? "", "hex");
  expect(whole).toHaveLength(32);
  const listed = STICKY.backends.map(backendText);
  const change = fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 }));
  const bytes = fc
    .tuple(fc.nat({ max: 7 }), fc.array(change, { maxLength: 4 }), fc.uint8Array({ maxLength: 60 }))
    .map(([count, changes, rest]) => {
      const all = Buffer.concat([...Array.from({ length: count }, () => whole), rest]);
      for (const [at, value] of changes) if (at < all.length) all[at] = value;
      return all;
    });
  fc.assert(
    fc.property(bytes, (value) => {
      host.shared.set(Buffer.from(key, "hex"), value, 0);
      const backend = backendOf("10.2.0.1");
      expect(listed).toContain(backend);
      expect(backendOf("10.2.0.1")).toBe(backend);
    }),
    { numRuns: 500 },
  );
  expect(listed).toContain(clean);
});

it("costs a frontend without it nothing", async () => {
  host = await WasmHost.load(PLUGIN, { build: "plain,stats=off,attempt=0" });
  host.pushAll(snapshot([frontend(2)], 1));
  const calls: string[] = [];
  host.fault = (name) => {
    calls.push(name);
    return undefined;
  };
  host.connect("10.96.0.2:80"); // reads the bucket, which is kept
  calls.length = 0;
  host.connect("10.96.0.2:80");
  expect(calls).toEqual([
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_call_foreign_function",
    "proxy_increment_metric",
  ]);
});
