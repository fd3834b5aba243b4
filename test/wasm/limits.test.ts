// Limits of a Service: exact over all VMs, whoever comes in between; and no count stays for ever.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../controller/node/frontend-settings.ts";
import type { Frontend, FrontendSettings } from "../../controller/node/types.ts";
import { serviceIdOf } from "../../controller/wire/service-id.ts";
import { type ConnectOptions, type OpenConnection, WasmHost } from "./host.ts";
import { statsOf } from "./stats-fixtures.ts";
import { STATUS } from "./status.ts";
import { backends, frontend, PLUGIN, snapshot } from "./table-fixtures.ts";

const MS = 1_000_000n;
const SECOND = 1_000n * MS;
const MOST = 5;
const AT = "10.96.0.1:80";
const LETTER_L = 0x6c;

const clock = { time: 1_000n * SECOND };

function limited(index: number, settings: Partial<FrontendSettings>): Frontend {
  const local = { verdict: "local" as const, localBackends: backends(1) };
  return frontend(index, { ...local, settings: { ...DEFAULT_SETTINGS, ...settings } });
}

/** One ServicePort, with a second frontend at another address. */
const FULL = limited(1, { maxConnections: MOST });
const ITS_NODE_PORT: Frontend = {
  ...limited(2, { maxConnections: MOST }),
  kind: "NodePort",
  service: FULL.service,
};
const FAST = limited(3, { maxNewConnectionsPerSecond: 10 });
const BOTH = limited(4, { maxConnections: 2, maxNewConnectionsPerSecond: 3 });
const FREE = frontend(5);
const TABLE = [FULL, ITS_NODE_PORT, FAST, BOTH, FREE];

async function load(shared?: WasmHost["shared"]): Promise<WasmHost> {
  const steadyNow = () => clock.time;
  const host = await WasmHost.load(PLUGIN, {
    workers: 2,
    seed: shared ? 11 : 7,
    steadyNow,
    ...(shared && { shared }),
  });
  if (!shared) host.pushAll(snapshot(TABLE, 1));
  return host;
}

function isServed({ connected }: OpenConnection): boolean {
  if (connected.closed === undefined) return true;
  expect(connected.closed).toBe("limited");
  return false;
}

/** Opens that many; returns those that were served. */
function open(
  host: WasmHost,
  count: number,
  at = AT,
  options: ConnectOptions = {},
): OpenConnection[] {
  const all = Array.from({ length: count }, (_, i) => {
    return host.open(at, { worker: i % 2, ...options });
  });
  for (const each of all.filter((one) => !isServed(one))) each.end();
  return all.filter(isServed);
}

function endAll(connections: readonly OpenConnection[]): void {
  for (const each of connections) each.end();
}

/** Time passes, with a tick each second. */
function pass(seconds: number, ...hosts: WasmHost[]): void {
  for (let i = 0; i < seconds; i++) {
    clock.time += SECOND;
    for (const host of hosts) host.tickOnce();
  }
}

function limitKeys(host: WasmHost): number {
  return [...host.shared.content().keys()].filter((key) =>
    key.startsWith(`50${LETTER_L.toString(16)}`),
  ).length;
}

describe("connections at once", () => {
  it("are as many as allowed over workers, lists and frontends, again when some end", async () => {
    const host = await load();
    const first = open(host, 2);
    const others = [
      ...open(host, 1, AT, { list: "local" }),
      ...open(host, 9, "10.96.0.2:80"),
      ...open(host, 3),
    ];
    expect([first.length, others.length]).toEqual([2, MOST - 2]);
    expect(host.counter("limited")).toBe(2 + 1 + 9 + 3 - MOST);
    endAll(first);
    expect(open(host, 4)).toHaveLength(2);
  });

  it("are exact, whatever another worker does while one decides", async () => {
    const step = fc.record({
      worker: fc.integer({ min: 0, max: 1 }),
      list: fc.constantFrom("cluster" as const, "local" as const),
      opens: fc.boolean(),
      // What the other worker does before one of the reads.
      between: fc.option(fc.record({ read: fc.integer({ min: 1, max: 3 }), opens: fc.boolean() })),
    });
    const host = await load();
    const present: OpenConnection[] = [];
    let ending = 0;
    const act = (worker: number, opens: boolean, list: "cluster" | "local" = "cluster") => {
      if (!opens) {
        const index = present.findIndex((each) => workerOf.get(each) === worker);
        const [ended] = index < 0 ? [] : present.splice(index, 1);
        ending += 1;
        ended?.end();
        ending -= 1;
        return;
      }
      const one = host.open(AT, { worker, list });
      workerOf.set(one, worker);
      if (isServed(one)) present.push(one);
      else {
        // One that ends still counts until its worker has written that.
        expect([MOST, MOST - ending]).toContain(present.length);
        one.end();
      }
      expect(present.length).toBeLessThanOrEqual(MOST);
    };
    const workerOf = new Map<OpenConnection, number>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        for (const { worker, list, opens, between } of steps) {
          let reads = 0;
          host.shared.beforeRead = (key) => {
            if (key[1] !== LETTER_L || ++reads !== between?.read) return;
            host.shared.beforeRead = undefined;
            act(1 - worker, between.opens);
          };
          act(worker, opens, list);
          host.shared.beforeRead = undefined;
        }
        endAll(present.splice(0));
        const all = open(host, MOST + 1);
        expect(all).toHaveLength(MOST);
        endAll(all);
      }),
      { numRuns: 300, seed: 14 },
    );
  });

  it("count for as long as they last", async () => {
    const host = await load();
    const all = open(host, MOST);
    pass(3_600, host);
    expect(open(host, 2)).toEqual([]);
    endAll(all);
    pass(1, host);
    expect(host.isTicking).toBe(false);
    expect(open(host, MOST + 1)).toHaveLength(MOST);
  });
});

describe("what a VM counted", () => {
  it("is forgotten when it has died, and not before ten seconds", async () => {
    const died = await load();
    open(died, 3, AT, { worker: 0 });
    const host = await load(died.shared);
    expect(open(host, 9)).toHaveLength(MOST - 3);
    pass(9, host);
    expect(open(host, 1)).toHaveLength(0);
    pass(1, host);
    expect(open(host, 9)).toHaveLength(3);
  });

  it("still counts while its connections last, when new code has taken over", async () => {
    const old = await load();
    const before = open(old, 3);
    const next = await load(old.shared);
    pass(60, old, next);
    expect(open(next, 9)).toHaveLength(MOST - 3);
    endAll(before);
    expect(open(next, 9)).toHaveLength(3);
  });

  it("counts again when it was only stopped", async () => {
    const host = await load();
    const stopped = open(host, 3);
    clock.time += 60n * SECOND;
    const other = await load(host.shared);
    const more = open(other, 9);
    expect(more).toHaveLength(MOST);
    endAll(more);
    host.tickOnce();
    expect(open(other, 9)).toHaveLength(MOST - 3);
    endAll(stopped);
  });

  it("goes on with another root context when its own ends", async () => {
    const host = await load();
    open(host, 3);
    host.configureAgain("next");
    host.tickOnce();
    pass(60, host);
    const other = await load(host.shared);
    expect(open(other, 9)).toHaveLength(MOST - 3);
  });

  it("is put right by a tick where the host refused a write", async () => {
    const host = await load();
    const all = open(host, 3);
    host.fault = (name) => (name === "proxy_set_shared_data" ? STATUS.internalFailure : undefined);
    endAll(all.slice(1));
    const unseen = open(host, 1);
    expect(unseen).toHaveLength(1);
    host.fault = undefined;
    pass(2, host);
    expect(open(host, 9)).toHaveLength(MOST - 2);
  });
});

describe("new connections a second", () => {
  const FAST_AT = "10.96.0.3:80";

  it("are as many at once, and as many in each second after that, over workers", async () => {
    const host = await load();
    clock.time += SECOND;
    expect(open(host, 100, FAST_AT)).toHaveLength(10);
    let served = 0;
    for (let ms = 0; ms < 3_000; ms += 10) {
      clock.time += 10n * MS;
      served += open(host, 2, FAST_AT).length;
    }
    expect(served).toBe(30);
    clock.time += 60n * SECOND;
    expect(open(host, 100, FAST_AT)).toHaveLength(10);
  });

  it("do not spend what the other limit refuses", async () => {
    const host = await load();
    clock.time += SECOND;
    const both = open(host, 2, "10.96.0.4:80");
    expect(open(host, 20, "10.96.0.4:80")).toEqual([]);
    endAll(both);
    expect(open(host, 9, "10.96.0.4:80")).toHaveLength(1);
  });
});

it("what was refused is counted by the name of the limit", async () => {
  const host = await load();
  clock.time += SECOND;
  endAll(open(host, MOST + 2));
  endAll(open(host, 13, "10.96.0.3:80"));
  host.tick();
  const countersOf = (of: Frontend) => {
    const entry = statsOf(host).find(({ serviceId }) => serviceId === serviceIdOf(of));
    return { opened: entry?.counters.opened, ...entry?.counters.limited };
  };
  expect(countersOf(FULL)).toEqual({ opened: MOST, connections: 2, newConnections: 0 });
  expect(countersOf(FAST)).toEqual({ opened: 10, connections: 0, newConnections: 3 });
});

it("a Service without limits costs no access to shared data, and no ticks", async () => {
  const host = await load();
  host.connect("10.96.0.5:80");
  host.tick();
  host.tick();
  expect(limitKeys(host)).toBe(0);
  expect(host.isTicking).toBe(false);
});
