// Another backend for a connection whose first one does not accept: never one that its list lacks,
// and none twice while there are others.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Frontend } from "../../controller/node/types.ts";
import { deltaFrame } from "../../controller/wire/frames.ts";
import type { HostOptions, WasmHost } from "./host.ts";
import { statsOf } from "./stats-fixtures.ts";
import { backends, backendText, frontend, localRecord, record } from "./table-fixtures.ts";
import { AT, ATTEMPTS, HALF_MS, LONGEST_PAUSE_MS, WaitingHost } from "./waiting-host.ts";

/** Above MAX_INLINE_BACKENDS: in chunks. */
const MANY = 300;

let waiting: WaitingHost;
let host: WasmHost;

async function load(table: readonly Frontend[], options: HostOptions = {}): Promise<void> {
  waiting = await WaitingHost.load(table, options);
  ({ host } = waiting);
}

function texts(of: Frontend): string[] {
  return of.backends.map(backendText);
}

describe("a backend that refuses", () => {
  it.each([2, 3, 9, 50, MANY])("is followed by all others of %i", async (count) => {
    const web = frontend(1, { backends: backends(count) });
    await load([web]);
    for (let run = 0; run < 20; run++) {
      const attempted = waiting.refuseAll();
      expect(new Set(texts(web))).toEqual(new Set([...texts(web), ...attempted]));
      expect(new Set(attempted).size).toBe(Math.min(count, ATTEMPTS));
      // Once all have been tried: none twice in a row.
      expect(attempted.filter((backend, index) => backend === attempted[index - 1])).toEqual([]);
    }
  });

  it("that is the only one is tried again", async () => {
    await load([frontend(1, { backends: backends(1) })]);
    expect(new Set(waiting.refuseAll())).toEqual(new Set(["10.1.0.1:8080"]));
    expect(host.counter("repicks")).toBe(0);
  });

  it("is followed by any other, each as likely", async () => {
    await load([frontend(1, { backends: backends(4) })]);
    const seen = new Map<string, number>();
    for (let i = 0; i < 3_000; i++) {
      const { envoy, end } = waiting.open();
      envoy.fail();
      waiting.pass(5);
      const pair = `${envoy.attempted[0]} ${envoy.next}`;
      seen.set(pair, (seen.get(pair) ?? 0) + 1);
      end();
    }
    // 12 pairs, 250 each on average; five standard deviations.
    expect(seen.size).toBe(12);
    for (const times of seen.values()) expect(Math.abs(times - 250)).toBeLessThan(76);
  });

  it("may have been tried twice before a tick", async () => {
    const web = frontend(1);
    await load([web]);
    const { envoy } = waiting.open();
    envoy.fail();
    envoy.attempt();
    envoy.fail();
    envoy.attempt();
    waiting.pass(5);
    expect(texts(web)).toContain(envoy.next);
    expect(envoy.next).not.toBe(envoy.attempted[0]);
    const second = envoy.attempt();
    envoy.fail();
    waiting.pass(5);
    expect([envoy.attempted[0], second]).not.toContain(envoy.next);
  });

  it("of the local list is followed by one of it only", async () => {
    const split = frontend(1, { backends: backends(9), localBackends: backends(9).slice(0, 3) });
    await load([split]);
    for (let run = 0; run < 50; run++) {
      const attempted = waiting.refuseAll({ list: "local" });
      expect(new Set(attempted)).toEqual(new Set(split.localBackends.map(backendText)));
    }
  });

  it("is known by its bytes, however Envoy writes its address", async () => {
    const list = [1, 2].map((last) => ({ address: `fd00:1::${last}`, port: 443, local: false }));
    await load([frontend(1, { address: "fd00:96::a", backends: list })]);
    const { envoy } = waiting.open({ source: "[fd00:2::1]:40000" }, "[fd00:96::a]:80");
    envoy.fail();
    waiting.pass(5);
    expect(envoy.next).not.toBe(envoy.attempted[0]);
    expect(new Set([envoy.next, envoy.attempted[0]]).size).toBe(2);
  });
});

describe("a backend that is silent", () => {
  it("has the next one set at half the connect timeout, and keeps its attempt", async () => {
    await load([frontend(1)], { build: "b,attempt=2000" });
    const { envoy, end } = waiting.open();
    waiting.pass(950);
    expect(envoy.next).toBe(envoy.attempted[0]);
    waiting.pass(100);
    const next = envoy.next;
    expect(next).not.toBe(envoy.attempted[0]);
    waiting.pass(900);
    expect(envoy.next).toBe(next);
    end();
  });

  it("is followed by another, which may be silent too", async () => {
    const web = frontend(1);
    await load([web]);
    const { envoy, end } = waiting.open();
    for (let i = 0; i < 2; i++) {
      waiting.pass(HALF_MS * 2);
      envoy.fail("");
      envoy.attempt();
    }
    expect(new Set(envoy.attempted)).toEqual(new Set(texts(web)));
    end();
  });

  it("leaves the next one in time to be refused, too", async () => {
    await load([frontend(1)]);
    const { envoy } = waiting.open();
    waiting.pass(HALF_MS * 2);
    envoy.fail("");
    envoy.attempt();
    envoy.fail();
    waiting.pass(LONGEST_PAUSE_MS);
    expect(envoy.attempted).not.toContain(envoy.next);
  });
});

describe("after the last attempt", () => {
  it.each([
    ["refuses", undefined, "IPv4"],
    ["is silent", "", "IPv4"],
    ["refuses", undefined, "IPv6"],
  ])("a client whose every backend %s (%j, %s) is refused", async (_, reason, family) => {
    const v6 = [{ address: "fd00:1::1", port: 80, local: false }];
    const at = family === "IPv4" ? AT : "[fd00:96::a]:80";
    await load([frontend(1), frontend(2, { address: "fd00:96::a", backends: v6 })]);
    const { envoy, end } = waiting.open(family === "IPv4" ? {} : { source: "[fd00:2::1]:40" }, at);
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      expect(envoy.next).not.toMatch("refusing");
      if (reason === "") waiting.pass(2 * HALF_MS);
      envoy.fail(reason);
      waiting.pass(LONGEST_PAUSE_MS);
      envoy.attempt();
    }
    waiting.pass(LONGEST_PAUSE_MS);
    expect(envoy.next).toBe(`refusing-${family.toLowerCase()}`);
    envoy.fail(reason);
    envoy.attempt();
    envoy.accept();
    waiting.pass(LONGEST_PAUSE_MS);
    end({ flags: 0x20, accepted: true });
    host.tick();
    const [entry] = statsOf(host).filter(({ backend }) => !backend);
    const failed = { refused: 0, timedOut: 0, noBackend: 0, other: 0 };
    const name = reason === "" ? "timedOut" : "refused";
    expect(entry?.counters).toMatchObject({ opened: 1, closed: 1, retried: 0 });
    expect(entry?.counters.failed).toEqual({ ...failed, [name]: 1 });
  });

  it("it is not, where the last one accepts", async () => {
    await load([frontend(1)]);
    const { envoy, end } = waiting.open();
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      envoy.fail();
      waiting.pass(5);
      envoy.attempt();
    }
    waiting.pass(LONGEST_PAUSE_MS);
    envoy.accept();
    waiting.pass(LONGEST_PAUSE_MS);
    end({ flags: 0x20, accepted: true });
    host.tick();
    const [entry] = statsOf(host).filter(({ backend }) => !backend);
    expect(entry?.counters).toMatchObject({ opened: 1, closed: 1, retried: 1 });
    expect(entry?.counters.failed).toMatchObject({ refused: 0 });
  });
});

describe("the list", () => {
  const before = frontend(1, { backends: backends(3) });

  function change(to: Frontend): void {
    host.push(deltaFrame({ upserts: [record(to)], removals: [] }, 1, 2));
  }

  it("is the present one", async () => {
    await load([before]);
    const { envoy } = waiting.open();
    change(frontend(1, { backends: backends(1, 9) }));
    envoy.fail();
    waiting.pass(5);
    expect(envoy.next).toBe("10.9.0.1:8080");
  });

  it("may lose what was set ahead", async () => {
    await load([before]);
    const { envoy } = waiting.open();
    waiting.pass(HALF_MS + 50);
    const gone = envoy.next;
    const left = before.backends.filter((backend) => backendText(backend) !== gone);
    change({ ...before, backends: left });
    waiting.pass(25);
    expect(left.map(backendText)).toContain(envoy.next);
    expect(envoy.next).not.toBe(envoy.attempted[0]);
  });

  it("may be empty: then the connection is closed", async () => {
    await load([before]);
    const refused = waiting.open();
    const silent = waiting.open();
    const other = waiting.open();
    other.envoy.accept();
    refused.envoy.fail();
    change({ ...before, backends: [] });
    waiting.pass(5);
    expect(refused.envoy.isClosed).toBe(true);
    expect(silent.envoy.isClosed).toBe(false);
    waiting.pass(HALF_MS + 50);
    expect(silent.envoy.isClosed).toBe(true);
    expect(other.envoy.isClosed).toBe(false);
    expect(host.counter("no_backend")).toBe(2);
  });
});

describe("session affinity", () => {
  const sticky = frontend(1, { backends: backends(5), affinityTimeoutSeconds: 60 });

  function backendOf(source: string): string | undefined {
    return host.connect(AT, { source }).backend;
  }

  it("moves with the client's first connection, for its others too", async () => {
    await load([sticky], { workers: 2 });
    const source = "10.2.0.1:40000";
    const first = waiting.open({ source });
    const second = waiting.open({ source, worker: 1 });
    first.envoy.fail();
    second.envoy.fail();
    waiting.pass(5);
    expect(first.envoy.next).not.toBe(first.envoy.attempted[0]);
    expect(second.envoy.next).toBe(first.envoy.next);
    expect(backendOf(source)).toBe(first.envoy.next);
    expect(host.connect(AT, { source, worker: 1 }).backend).toBe(first.envoy.next);
  });

  it.each([
    ["a look sees it", () => waiting.pass(25), undefined],
    ["it ends before a look", undefined, () => {}],
  ])("comes back where the silent one answers in the end, and %s", async (_, look, ends) => {
    await load([sticky]);
    const source = "10.2.0.1:40000";
    const { envoy, end } = waiting.open({ source });
    waiting.pass(HALF_MS + 50);
    expect(backendOf(source)).toBe(envoy.next);
    expect(envoy.next).not.toBe(envoy.attempted[0]);
    envoy.accept();
    look?.();
    if (ends) end();
    expect(backendOf(source)).toBe(envoy.attempted[0]);
  });

  it("of other clients stays", async () => {
    await load([sticky]);
    const sources = Array.from({ length: 40 }, (_, index) => `10.2.0.${index}:40000`);
    const earlier = sources.map(backendOf);
    const { envoy } = waiting.open({ source: "10.2.1.1:40000" });
    envoy.fail();
    waiting.pass(5);
    expect(sources.map(backendOf)).toEqual(earlier);
  });

  it("does not come back to a backend that has left the list", async () => {
    await load([sticky]);
    const source = "10.2.0.1:40000";
    const { envoy } = waiting.open({ source });
    waiting.pass(HALF_MS + 50);
    const others = sticky.backends.filter((each) => backendText(each) !== envoy.attempted[0]);
    host.push(
      deltaFrame({ upserts: [record({ ...sticky, backends: others })], removals: [] }, 1, 2),
    );
    envoy.accept();
    waiting.pass(25);
    expect(backendOf(source)).toBe(envoy.next);
  });
});

it("whatever happens, it is of the list, and not tried before while there are others", async () => {
  const split = frontend(1, { backends: backends(6), localBackends: backends(6).slice(1, 4) });
  const long = frontend(2, { backends: backends(MANY) });
  const sticky = frontend(3, { backends: backends(3), affinityTimeoutSeconds: 30 });
  await load([split, long, sticky]);
  const lists = [
    { at: AT, list: "cluster" as const, places: texts(split) },
    { at: AT, list: "local" as const, places: split.localBackends.map(backendText) },
    { at: "10.96.0.2:80", list: "cluster" as const, places: texts(long) },
    { at: "10.96.0.3:80", list: "cluster" as const, places: texts(sticky) },
  ];
  // "again": Envoy's next attempt comes before a tick.
  const step = fc.constantFrom("refuse", "again", "silent", "wait", "accept");
  const connection = fc.record({
    which: fc.integer({ min: 0, max: lists.length - 1 }),
    client: fc.integer({ min: 1, max: 3 }),
    steps: fc.array(step, { maxLength: ATTEMPTS - 1 }),
  });
  fc.assert(
    fc.property(connection, ({ which, client, steps }) => {
      const { at, list, places } = lists[which] as (typeof lists)[number];
      const { envoy, end } = waiting.open({ list, source: `10.2.0.${client}:40000` }, at);
      for (const each of steps) {
        if (each === "accept") break;
        if (each === "silent") waiting.pass(2 * HALF_MS);
        if (each === "wait") {
          waiting.pass(40);
          continue;
        }
        envoy.fail(each === "silent" ? "" : undefined);
        if (each !== "again") waiting.pass(LONGEST_PAUSE_MS);
        const earlier = new Set(envoy.attempted);
        const next = envoy.attempt();
        expect(places).toContain(next);
        if (each !== "again" && earlier.size < places.length) {
          expect([...earlier]).not.toContain(next);
        }
      }
      envoy.accept();
      waiting.pass(25);
      end();
    }),
    { numRuns: 400 },
  );
});

it("a push of the local list keeps the wall", async () => {
  const split = frontend(1, { backends: backends(4), localBackends: backends(1) });
  await load([split]);
  const { envoy } = waiting.open({ list: "local" });
  const moved = { ...split, localBackends: backends(4).slice(1, 2) };
  host.push(deltaFrame({ upserts: [localRecord(moved)], removals: [] }, 1, 2));
  envoy.fail();
  waiting.pass(5);
  expect(envoy.next).toBe("10.1.0.2:8080");
});
