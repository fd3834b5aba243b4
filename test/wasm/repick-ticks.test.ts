// What watching connections costs and leaves: ticks only while one waits, counts that are right, no
// memory.

import { describe, expect, it } from "vitest";
import type { Frontend } from "../../controller/node/types.ts";
import { deltaFrame } from "../../controller/wire/frames.ts";
import type { HostOptions, WasmHost } from "./host.ts";
import { statsOf } from "./stats-fixtures.ts";
import { backends, frontend, record, unejecting } from "./table-fixtures.ts";
import { AT, HALF_MS, WaitingHost } from "./waiting-host.ts";

let waiting: WaitingHost;
let host: WasmHost;

async function load(table: readonly Frontend[], options: HostOptions = {}): Promise<void> {
  waiting = await WaitingHost.load(table, options);
  ({ host } = waiting);
}

describe("ticks", () => {
  it("come only while a connection waits", async () => {
    await load([frontend(1)], { build: "b,stats=off" });
    const { envoy } = waiting.open();
    expect(host.tickPeriods).toEqual([5]);
    waiting.pass(3 * HALF_MS);
    expect(host.tickPeriods).toEqual([5]);
    envoy.accept();
    waiting.pass(25);
    expect(host.isTicking).toBe(false);
    waiting.open().end();
    waiting.pass(5);
    expect(host.isTicking).toBe(false);
  });

  it("do not come for Envoys that make one attempt", async () => {
    await load([frontend(1)], { build: "b,stats=off,attempt=0" });
    const { envoy } = waiting.open();
    envoy.fail();
    expect(host.isTicking).toBe(false);
  });

  it("flush the counts once a second, whatever else they are for", async () => {
    await load([frontend(1)]);
    waiting.open();
    waiting.pass(5);
    const writes: string[] = [];
    host.fault = (name) => {
      if (name === "proxy_set_shared_data") writes.push(name);
      return undefined;
    };
    for (let i = 0; i < 300; i++) {
      host.connect(AT);
      waiting.pass(10);
    }
    expect(writes.length).toBeGreaterThanOrEqual(2);
    expect(writes.length).toBeLessThanOrEqual(4);
  });

  it("go on in VMs that were configured again, with one timer each", async () => {
    await load([unejecting(frontend(1))], { build: "b,stats=off" });
    const before = waiting.open();
    waiting.pass(5);
    host.configureAgain("c,stats=off");
    const after = waiting.open();
    waiting.pass(5);
    expect(host.tickPeriods).toEqual([5]);
    for (const { envoy } of [before, after]) {
      envoy.fail();
      waiting.pass(20);
      expect(envoy.attempted).not.toContain(envoy.next);
    }
    before.end();
    host.endOldRoots();
    after.envoy.attempt();
    after.envoy.fail();
    waiting.pass(20);
    expect(after.envoy.attempted).not.toContain(after.envoy.next);
    after.end();
    waiting.pass(20);
    expect(host.isTicking).toBe(false);
  });

  it("leave no memory behind", async () => {
    await load([frontend(1)]);
    const churn = (times: number) => {
      for (let i = 0; i < times; i++) {
        const { envoy, end } = waiting.open();
        envoy.fail();
        waiting.pass(5);
        end();
      }
    };
    churn(2_000);
    const bytes = host.memoryBytes();
    churn(10_000);
    expect(host.memoryBytes()).toBe(bytes);
    host.close();
  });
});

describe("a new plugin", () => {
  it("leaves the old one's connections to the old one", async () => {
    const web = frontend(1);
    await load([web]);
    const { envoy, end } = waiting.open();
    const next = await WaitingHost.load([], { shared: host.shared, build: "next" });
    const moved = { upserts: [record({ ...web, backends: backends(1, 9) })], removals: [] };
    next.host.push(deltaFrame(moved, 1, 2));
    envoy.fail();
    waiting.pass(5);
    expect(envoy.next).toBe("10.9.0.1:8080");
    end();
    host.close();
  });
});

describe("the counts", () => {
  const web = frontend(1, { backends: backends(2) });

  function countsOf(address?: string) {
    host.tick();
    const entry = statsOf(host).find(({ backend }) => backend?.address === address);
    const { opened, closed, retried, failed } = entry?.counters ?? {};
    return { opened, closed, retried, ...failed };
  }

  const NONE = { retried: 0, refused: 0, timedOut: 0, noBackend: 0, other: 0 };

  it("have a connection that a second backend served as one that did not fail", async () => {
    await load([web], { build: "b,stats=backend" });
    const { envoy, end } = waiting.open();
    envoy.fail();
    waiting.pass(5);
    envoy.attempt();
    envoy.accept();
    end();
    const [first, second] = envoy.attempted.map((place) => place.replace(/:.*/, ""));
    const served = { ...NONE, opened: 1, closed: 1, retried: 1 };
    expect(countsOf()).toEqual(served);
    expect(countsOf(first)).toEqual({ ...NONE, opened: 1, closed: 1, refused: 1 });
    expect(countsOf(second)).toEqual(served);
  });

  it("have a connection that all refused as one that failed", async () => {
    await load([web], { build: "b,stats=backend" });
    waiting.refuseAll();
    expect(countsOf()).toEqual({ ...NONE, opened: 1, closed: 1, refused: 1 });
  });

  it("leave what was set ahead alone when it is not needed", async () => {
    await load([web], { build: "b,stats=backend" });
    const { envoy, end } = waiting.open();
    waiting.pass(HALF_MS + 50);
    const unused = envoy.next.replace(/:.*/, "");
    envoy.accept();
    waiting.pass(25);
    end();
    expect(countsOf()).toEqual({ ...NONE, opened: 1, closed: 1 });
    expect(countsOf(unused)).toEqual({});
  });
});
