// How each balancing distributes connections, with the bounds that chance leaves it: seeds are
// fixed, so no test flickers. Chi-square with k degrees of freedom has the mean k and the standard
// deviation √(2k); four of these are the bound.

import { beforeEach, describe, expect, it } from "vitest";
import type { Balancing } from "../../controller/model/types.ts";
import { DEFAULT_SETTINGS } from "../../controller/node/frontend-settings.ts";
import type { Backend, Frontend } from "../../controller/node/types.ts";
import { type ConnectOptions, WasmHost } from "./host.ts";
import { backends, backendText, frontend, PLUGIN, snapshot } from "./table-fixtures.ts";

const AT = "10.96.0.1:80";
/** The longest list that is in its bucket, and longer ones, which are in chunks. */
const COUNTS = [1, 2, 3, 7, 128, 129, 300];

let host: WasmHost;
beforeEach(async () => {
  host = await WasmHost.load(PLUGIN, { workers: 2, seed: 42 });
});

function balanced(balancing: Balancing, list: Backend[], own: Partial<Frontend> = {}): Frontend {
  return frontend(1, { backends: list, settings: { ...DEFAULT_SETTINGS, balancing }, ...own });
}

let version = 0;
function push(...frontends: Frontend[]): void {
  host.pushAll(snapshot(frontends, ++version));
}

function pick(options: ConnectOptions = {}, at = AT): string {
  return host.connect(at, options).backend ?? "closed";
}

function tally(times: number, one: (index: number) => string): Map<string, number> {
  const seen = new Map<string, number>();
  for (let index = 0; index < times; index++) {
    const backend = one(index);
    seen.set(backend, (seen.get(backend) ?? 0) + 1);
  }
  return seen;
}

/** Expects what chance may make of these expectations; backends with none must have none. */
function expectChance(seen: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>) {
  expect([...seen.keys()].filter((backend) => !expected.has(backend))).toEqual([]);
  let chiSquare = 0;
  for (const [backend, mean] of expected)
    chiSquare += ((seen.get(backend) ?? 0) - mean) ** 2 / mean;
  const degrees = expected.size - 1;
  expect(chiSquare).toBeLessThanOrEqual(degrees + 4 * Math.sqrt(2 * degrees));
}

function evenly(list: readonly Backend[], times: number): Map<string, number> {
  return new Map(list.map((backend) => [backendText(backend), times / list.length]));
}

/** A client for each index, with any port. */
function client(index: number): string {
  return `10.200.${(index >> 8) & 255}.${index & 255}:${1024 + ((index * 7919) % 60_000)}`;
}

describe("round-robin", () => {
  it.each(COUNTS)("among %i gives each backend its turn, in each worker", (count) => {
    const list = backends(count);
    push(balanced("round-robin", list));
    const rounds = 3;
    for (const worker of [0, 1]) {
      const seen = tally(rounds * count, () => pick({ worker }));
      expect(new Set(seen.values())).toEqual(new Set([rounds]));
      expect(seen.size).toBe(count);
    }
  });

  it("begins anywhere, so that workers do not go in step", () => {
    push(balanced("round-robin", backends(100)));
    expect(pick({ worker: 0 })).not.toBe(pick({ worker: 1 }));
  });

  it("goes on where it was when backends come and go, each frontend by itself", () => {
    const list = backends(10);
    const other = { ...balanced("round-robin", list), ...frontend(2), backends: list };
    push(balanced("round-robin", list), {
      ...other,
      settings: balanced("round-robin", []).settings,
    });
    const first = list.map(backendText).indexOf(pick());
    for (let i = 0; i < 5; i++) pick({}, "10.96.0.2:80");
    push(balanced("round-robin", list.slice(0, 9)));
    const next = pick();
    expect(next).toBe(backendText(list[(first + 1) % 9] as Backend));
  });
});

describe("client-hash", () => {
  it.each(COUNTS)("among %i gives each backend its share of the clients", (count) => {
    const list = backends(count);
    push(balanced("client-hash", list));
    const clients = 200 * count;
    const seen = tally(clients, (index) => pick({ source: client(index), worker: index % 2 }));
    expectChance(seen, evenly(list, clients));
  });

  it.each([7, 300])("among %i is the same in all workers, seeds and ports", async (count) => {
    const other = await WasmHost.load(PLUGIN, { workers: 2, seed: 43 });
    const table = snapshot([balanced("client-hash", backends(count))], ++version);
    for (const each of [host, other]) each.pushAll(table);
    for (let index = 0; index < 200; index++) {
      const address = client(index).split(":")[0];
      const picked = [
        host.connect(AT, { source: `${address}:1` }),
        host.connect(AT, { source: `${address}:2`, worker: 1 }),
        other.connect(AT, { source: `${address}:3` }),
      ];
      expect(new Set(picked.map(({ backend }) => backend)).size).toBe(1);
    }
  });

  it.each([3, 129, 300])("moves only the clients of a backend that leaves %i", (count) => {
    const list = backends(count);
    const sources = Array.from({ length: 3_000 }, (_, index) => client(index));
    const all = () => sources.map((source) => pick({ source }));
    push(balanced("client-hash", list));
    const before = all();
    const gone = list[1] as Backend;
    push(balanced("client-hash", list.toSpliced(1, 1)));
    const after = all();
    const moved = before.filter((backend, index) => backend !== after[index]);
    expect(new Set(moved)).toEqual(new Set([backendText(gone)]));
    // One that comes takes its clients back, and no others.
    push(balanced("client-hash", list));
    expect(all()).toEqual(before);
  });

  it("knows IPv6 clients and backends", () => {
    const list = [1, 2, 3, 4].map((last) => ({
      address: `fd00:1::${last}`,
      port: 1,
      local: false,
    }));
    push(balanced("client-hash", list, { address: "fd00:96::a" }));
    const seen = tally(4_000, (index) =>
      pick({ source: `[fd00:2::${index.toString(16)}]:9` }, "[fd00:96::a]:80"),
    );
    // As the plugin writes addresses.
    const expected = list.map(({ address }) => {
      return [`[${address.replace("::", ":0:0:0:0:0:")}]:1`, 1_000] as const;
    });
    expectChance(seen, new Map(expected));
  });

  it("serves a client that Envoy does not name, at any backend", () => {
    push(balanced("client-hash", backends(3)));
    expectChance(
      tally(300, () => pick({ source: "" })),
      evenly(backends(3), 300),
    );
  });
});

describe("weighted", () => {
  const WEIGHTS = [1, undefined, 10, 255, 20];

  it.each(COUNTS)("among %i gives each backend what its weight says", (count) => {
    const list = backends(count).map((each, index) => {
      const weight = WEIGHTS[index % WEIGHTS.length];
      return weight === undefined ? each : { ...each, weight };
    });
    push(balanced("weighted", list));
    const sum = list.reduce((all, { weight = 1 }) => all + weight, 0);
    // So that each is expected ten times at least.
    const times = 10 * sum;
    const expected = new Map(list.map((each) => [backendText(each), 10 * (each.weight ?? 1)]));
    expectChance(
      tally(times, (index) => pick({ worker: index % 2 })),
      expected,
    );
  });
});

describe("failover", () => {
  function preferring(count: number, wanted: (index: number) => boolean): Backend[] {
    return backends(count).map((each, index) =>
      wanted(index) ? { ...each, isPreferred: true } : each,
    );
  }

  it.each(COUNTS)("among %i stays with the preferred, each as likely", (count) => {
    const list = preferring(count, (index) => index % 3 === 0);
    push(balanced("failover", list));
    const preferred = list.filter(({ isPreferred }) => isPreferred);
    const times = 200 * preferred.length;
    expectChance(
      tally(times, () => pick()),
      evenly(preferred, times),
    );
  });

  it.each([3, 300])("among %i of which none is preferred takes any", (count) => {
    push(balanced("failover", backends(count)));
    expectChance(
      tally(200 * count, () => pick()),
      evenly(backends(count), 200 * count),
    );
  });
});
