// Backends that fail are left alone, by whom and for how long.

import { describe, expect, it } from "vitest";
import type { Frontend } from "../../controller/node/types.ts";
import {
  A,
  B,
  client,
  ejectionsOf,
  ejectionTexts,
  FIRST,
  failAt,
  openTo,
  picksOf,
  SECOND_CLIENT,
  succeedAt,
  THIRD,
  TIMED_OUT,
} from "./ejecting-host.ts";
import type { HostOptions, WasmHost } from "./host.ts";
import { backends, frontend } from "./table-fixtures.ts";
import { AT, HALF_MS, WaitingHost } from "./waiting-host.ts";

const SECOND = 1_000;

let waiting: WaitingHost;
let host: WasmHost;

async function load(
  table: readonly Frontend[] = [frontend(1)],
  options: HostOptions = {},
): Promise<void> {
  waiting = await WaitingHost.load(table, { build: "b,stats=off", ...options });
  ({ host } = waiting);
}

function isPicked(backend: string, options = {}, at = AT): boolean {
  return picksOf(waiting, 60, options, at).has(backend);
}

describe("one client", () => {
  it("that is refused leaves the backend alone, and it alone", async () => {
    await load();
    failAt(waiting, A, FIRST);
    expect(ejectionTexts(host)).toEqual([`${A} for 10.2.0.1`]);
    expect(ejectionsOf(host)[0]).toMatchObject({ reason: "refused", strikes: 1, failures: 1 });
    expect(isPicked(A, FIRST)).toBe(false);
    expect(isPicked(A, SECOND_CLIENT)).toBe(true);
    expect(host.counter("ejections_refused")).toBe(1);
  });

  it("leaves it alone after the second time-out, not after one lost SYN", async () => {
    await load();
    failAt(waiting, A, { ...FIRST, reason: TIMED_OUT });
    expect(ejectionTexts(host)).toEqual([]);
    expect(isPicked(A, FIRST)).toBe(true);
    failAt(waiting, A, { ...FIRST, reason: TIMED_OUT });
    expect(ejectionTexts(host)).toEqual([`${A} for 10.2.0.1`]);
    expect(isPicked(A, FIRST)).toBe(false);
    expect(host.counter("ejections_timed_out")).toBe(1);
  });

  it("forgets a time-out once the backend has served it", async () => {
    await load();
    failAt(waiting, A, { ...FIRST, reason: TIMED_OUT });
    succeedAt(waiting, A, FIRST);
    failAt(waiting, A, { ...FIRST, reason: TIMED_OUT });
    expect(ejectionTexts(host)).toEqual([]);
  });

  it("forgets a time-out after a while", async () => {
    await load();
    failAt(waiting, A, { ...FIRST, reason: TIMED_OUT });
    waiting.pass(31 * SECOND);
    failAt(waiting, A, { ...FIRST, reason: TIMED_OUT });
    expect(ejectionTexts(host)).toEqual([]);
  });

  it("never ejects for others, however often it fails", async () => {
    await load();
    for (let i = 0; i < 12; i++) {
      failAt(waiting, A, FIRST);
      waiting.pass(31 * SECOND);
    }
    expect(ejectionTexts(host).filter((text) => !text.includes("for"))).toEqual([]);
    expect(isPicked(A, SECOND_CLIENT)).toBe(true);
  });

  it.each([
    ["delayed connect error: No route to host", "unreachable"],
    ["immediate connect error: Network is unreachable", "unreachable"],
    ["delayed connect error: Connection refused", "refused"],
  ])("leaves it alone after %s", async (text, reason) => {
    await load();
    failAt(waiting, A, { ...FIRST, reason: text });
    expect(ejectionsOf(host)).toEqual([expect.objectContaining({ reason, client: "10.2.0.1" })]);
  });

  it("does not leave it alone for a failure of this node", async () => {
    await load();
    failAt(waiting, A, { ...FIRST, reason: "immediate connect error: Cannot assign requested" });
    expect(ejectionTexts(host)).toEqual([]);
  });
});

describe("a silent backend", () => {
  /** Envoy's attempt lasts its whole time; meanwhile another backend is set ahead. */
  function waitInVain(options: object): void {
    const { envoy, end } = openTo(waiting, A, options);
    waiting.pass(2 * HALF_MS);
    envoy.fail(TIMED_OUT);
    envoy.attempt();
    envoy.accept();
    waiting.pass(25);
    end();
  }

  it("has failed once for each attempt, whichever backend was set ahead", async () => {
    await load();
    waitInVain(FIRST);
    expect(ejectionTexts(host)).toEqual([]);
    waitInVain(FIRST);
    expect(ejectionTexts(host)).toEqual([`${A} for 10.2.0.1`]);
    expect(ejectionsOf(host)[0]).toMatchObject({ reason: "timed-out", failures: 2 });
  });

  it("has not failed if it answers in the end", async () => {
    await load();
    for (let i = 0; i < 3; i++) {
      const { envoy, end } = openTo(waiting, A, FIRST);
      waiting.pass(HALF_MS + 50);
      expect(envoy.next).not.toBe(A);
      envoy.accept();
      waiting.pass(25);
      end();
    }
    expect(ejectionTexts(host)).toEqual([]);
  });

  it("that a client does not wait for has not failed", async () => {
    await load();
    for (let i = 0; i < 3; i++) {
      const { end } = openTo(waiting, A, FIRST);
      waiting.pass(HALF_MS + 50);
      end({ flags: 0x4, accepted: false });
      waiting.pass(25);
    }
    expect(ejectionTexts(host)).toEqual([]);
  });
});

describe("two clients", () => {
  it("that are refused eject it for all", async () => {
    await load();
    failAt(waiting, A, FIRST);
    failAt(waiting, A, SECOND_CLIENT);
    expect(ejectionTexts(host)).toContain(A);
    expect(isPicked(A, THIRD)).toBe(false);
    expect(isPicked(B, THIRD)).toBe(true);
  });

  it("that time out once each eject it for all", async () => {
    await load();
    failAt(waiting, A, { ...FIRST, reason: TIMED_OUT });
    failAt(waiting, A, { ...SECOND_CLIENT, reason: TIMED_OUT });
    expect(ejectionTexts(host)).toEqual([A]);
    expect(ejectionsOf(host)[0]).toMatchObject({ reason: "timed-out", client: undefined });
  });

  it("do not, where the backend has served a third between them", async () => {
    await load();
    failAt(waiting, A, FIRST);
    succeedAt(waiting, A, THIRD);
    failAt(waiting, A, SECOND_CLIENT);
    expect(ejectionTexts(host)).toEqual([`${A} for 10.2.0.1`, `${A} for 10.2.0.2`]);
    expect(ejectionsOf(host).map(({ servesOthers }) => servesOthers)).toEqual([true, false]);
    expect(isPicked(A, THIRD)).toBe(true);
  });

  it("do not, where one is not recent", async () => {
    await load();
    failAt(waiting, A, FIRST);
    waiting.pass(40 * SECOND);
    failAt(waiting, A, SECOND_CLIENT);
    expect(isPicked(A, THIRD)).toBe(true);
  });
});

describe("an ejection", () => {
  function ejectForAll(): void {
    failAt(waiting, A, FIRST);
    failAt(waiting, A, SECOND_CLIENT);
  }

  it("lasts for 1 s, and then twice as long each time, up to 30 s", async () => {
    await load();
    ejectForAll();
    const clients = [THIRD, { source: client(4) }];
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      waiting.pass(seconds * SECOND - 100);
      expect(isPicked(A, THIRD)).toBe(false);
      waiting.pass(100);
      failAt(waiting, A, clients[0] as { source: string });
      clients.reverse();
    }
  });

  it("ends with a success of any client, and those that failed may try at once", async () => {
    await load();
    ejectForAll();
    waiting.pass(SECOND);
    succeedAt(waiting, A, THIRD);
    expect(isPicked(A, THIRD)).toBe(true);
    expect(ejectionsOf(host).map(({ secondsLeft }) => secondsLeft)).toEqual([0, 0]);
    succeedAt(waiting, A, FIRST);
    succeedAt(waiting, A, SECOND_CLIENT);
    expect(ejectionTexts(host)).toEqual([]);
  });

  it("ends with a success that no look has seen", async () => {
    await load();
    ejectForAll();
    waiting.pass(SECOND);
    const { envoy, end } = openTo(waiting, A, THIRD);
    envoy.accept();
    end();
    expect(ejectionTexts(host)).not.toContain(A);
  });

  it("is half-open by one connection", async () => {
    await load(undefined, { workers: 2 });
    ejectForAll();
    waiting.pass(SECOND);
    const probe = openTo(waiting, A, THIRD);
    // The other worker learns of it in its first tick.
    picksOf(waiting, 1, { worker: 1 });
    waiting.pass(5);
    expect(ejectionsOf(host).some(({ isProbed }) => isProbed)).toBe(true);
    expect(isPicked(A, { source: client(4) })).toBe(false);
    expect(isPicked(A, { source: client(4), worker: 1 })).toBe(false);
    probe.envoy.accept();
    waiting.pass(5);
    expect(isPicked(A, { source: client(4) })).toBe(true);
    probe.end();
  });

  it("is claimed again where the connection that tried it is lost", async () => {
    await load();
    ejectForAll();
    waiting.pass(SECOND);
    openTo(waiting, A, THIRD).end({ flags: 0x4, accepted: false });
    expect(isPicked(A, THIRD)).toBe(false);
    waiting.pass(2 * SECOND);
    succeedAt(waiting, A, THIRD);
    expect(ejectionTexts(host)).not.toContain(A);
  });

  it("is not made longer for others by one client that tries again", async () => {
    await load();
    ejectForAll();
    waiting.pass(SECOND);
    failAt(waiting, A, THIRD);
    // It is that client's now, and 2 s later it may try again; the others first.
    waiting.pass(2 * SECOND);
    failAt(waiting, A, THIRD);
    expect(ejectionsOf(host).find(({ client: of }) => of === undefined)?.secondsLeft).toBe(0);
    succeedAt(waiting, A, { source: client(4) });
    expect(ejectionTexts(host)).not.toContain(A);
  });

  it("is known to the other worker, and to the local list", async () => {
    const split = frontend(1, { localBackends: backends(3) });
    await load([split], { workers: 2 });
    ejectForAll();
    // A worker learns of it in its first tick.
    picksOf(waiting, 1, { worker: 1 });
    picksOf(waiting, 1, { list: "local" });
    waiting.pass(5);
    expect(isPicked(A, { worker: 1, ...THIRD })).toBe(false);
    expect(isPicked(A, { list: "local", ...THIRD })).toBe(false);
  });

  it("outlives the plugin that made it", async () => {
    await load();
    ejectForAll();
    const clock = { time: 1_000_000n * 1_000_000n };
    const next = await WaitingHost.load([], { shared: host.shared, build: "next" }, clock);
    picksOf(next, 1, THIRD);
    next.pass(5);
    expect(picksOf(next, 60, THIRD).has(A)).toBe(false);
  });

  it("is of a Service's backend wherever it is listed", async () => {
    await load([frontend(1), frontend(2)]);
    ejectForAll();
    expect(isPicked(A, THIRD, "10.96.0.2:80")).toBe(false);
  });

  it("is by address and port, over IPv6 too", async () => {
    const list = [1, 2].map((last) => ({ address: `fd00:1::${last}`, port: 443, local: false }));
    await load([frontend(1, { address: "fd00:96::a", backends: list })]);
    const at = "[fd00:96::a]:80";
    failAt(waiting, "[fd00:1:0:0:0:0:0:1]:443", { source: "[fd00:2::1]:40000", at });
    expect(ejectionTexts(host)).toEqual(["fd00:1::1:443 for fd00:2::1"]);
    expect(isPicked("[fd00:1:0:0:0:0:0:1]:443", { source: "[fd00:2::1]:5" }, at)).toBe(false);
    expect(isPicked("[fd00:1:0:0:0:0:0:1]:443", { source: "[fd00:2::2]:5" }, at)).toBe(true);
  });
});
