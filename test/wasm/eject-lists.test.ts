// What ejection leaves of a list, also with session affinity; what it costs while nothing is
// ejected; and where it is off.

import { describe, expect, it } from "vitest";
import type { Balancing } from "../../controller/model/types.ts";
import { DEFAULT_SETTINGS } from "../../controller/node/frontend-settings.ts";
import type { Backend, Frontend } from "../../controller/node/types.ts";
import {
  A,
  B,
  client,
  ejectionTexts,
  FIRST,
  failAt,
  picksOf,
  SECOND_CLIENT,
  THIRD,
} from "./ejecting-host.ts";
import type { HostOptions, WasmHost } from "./host.ts";
import { backends, backendText, frontend, unejecting } from "./table-fixtures.ts";
import { AT, WaitingHost } from "./waiting-host.ts";

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

/** Of the calls into the host during `use`. */
function callsOf(use: () => void): string[] {
  const calls: string[] = [];
  host.fault = (name) => {
    calls.push(name);
    return undefined;
  };
  use();
  host.fault = undefined;
  return calls;
}

describe("a list", () => {
  it("of one backend is not ejected from", async () => {
    await load([frontend(1, { backends: backends(1) })]);
    failAt(waiting, A, FIRST);
    failAt(waiting, A, SECOND_CLIENT);
    expect(isPicked(A, THIRD)).toBe(true);
  });

  it.each([2, 3, 4, 5, 9])("of %i: at most half of it is left out, and not all", async (count) => {
    const web = frontend(1, { backends: backends(count) });
    await load([web]);
    const places = web.backends.map(backendText);
    for (const [index, place] of places.entries()) {
      failAt(waiting, place, FIRST);
      const left = [...picksOf(waiting, 300, FIRST).keys()];
      const out = places.filter((each) => !left.includes(each));
      const isAll = index + 1 === count;
      expect(out).toEqual(isAll ? [] : places.slice(0, Math.min(index + 1, count >> 1)));
    }
  });

  it("that is long leaves out its own too", async () => {
    const long = frontend(1, { backends: backends(300) });
    await load([long]);
    const places = long.backends.slice(0, 5).map(backendText);
    for (const place of places) failAt(waiting, place, FIRST);
    const picks = picksOf(waiting, 2_000, FIRST);
    expect(places.filter((place) => picks.has(place))).toEqual([]);
    expect(picks.size).toBeGreaterThan(250);
  });

  it("of the local policy counts by itself", async () => {
    const split = frontend(1, { backends: backends(6), localBackends: backends(2) });
    await load([split]);
    failAt(waiting, A, FIRST);
    const local = { ...FIRST, list: "local" } as const;
    picksOf(waiting, 1, local);
    waiting.pass(5);
    expect(isPicked(A, local)).toBe(false);
    expect([...picksOf(waiting, 60, local).keys()]).toEqual([B]);
  });
});

const BALANCINGS: readonly Balancing[] = [
  "random",
  "least-connections",
  "round-robin",
  "client-hash",
  "weighted",
  "failover",
];

describe.each(BALANCINGS)("balancing %s", (balancing) => {
  function balanced(count: number): Frontend {
    const list = backends(count).map((each, index): Backend => {
      return index < count / 2 ? { ...each, weight: 5, isPreferred: true } : each;
    });
    return frontend(1, { backends: list, settings: { ...DEFAULT_SETTINGS, balancing } });
  }

  /** Fails wherever the client is led, so often that all that can be is ejected. */
  function failOften(times: number): void {
    for (let i = 0; i < times; i++) {
      const { envoy, end } = waiting.open(FIRST);
      envoy.fail();
      waiting.pass(5);
      end({ flags: 0x24, accepted: false });
    }
  }

  it.each([5, 200])("leaves out the one of %i that failed its client", async (count) => {
    const web = balanced(count);
    await load([web]);
    const [failed = ""] = picksOf(waiting, 1, FIRST).keys();
    failAt(waiting, failed, FIRST);
    const picks = picksOf(waiting, 100, FIRST);
    expect(picks.has(failed)).toBe(false);
    expect(web.backends.map(backendText)).toEqual(expect.arrayContaining([...picks.keys()]));
  });

  it("serves on, whatever fails", async () => {
    const web = balanced(4);
    await load([web]);
    failOften(40);
    const picks = picksOf(waiting, 100, FIRST);
    expect(web.backends.map(backendText)).toEqual(expect.arrayContaining([...picks.keys()]));
  });
});

it("failover leaves all preferred backends, also if they are more than half", async () => {
  const list = backends(5).map((each, index): Backend => {
    return index < 4 ? { ...each, isPreferred: true } : each;
  });
  const settings = { ...DEFAULT_SETTINGS, balancing: "failover" as const };
  await load([frontend(1, { backends: list, settings })]);
  for (const place of list.slice(0, 4).map(backendText)) failAt(waiting, place, FIRST);
  expect([...picksOf(waiting, 60, FIRST).keys()]).toEqual(list.slice(4).map(backendText));
});

describe("session affinity", () => {
  const sticky = frontend(1, { backends: backends(4), affinityTimeoutSeconds: 600 });

  it("moves away from a backend that is ejected, and stays", async () => {
    await load([sticky]);
    const kept = [...picksOf(waiting, 3, THIRD).keys()];
    expect(kept).toHaveLength(1);
    const backend = kept[0] as string;
    for (const number of [4, 5]) {
      // As many clients as it takes until two of them keep this backend.
      for (let i = 0; i < 64; i++) {
        const source = client(number * 100 + i);
        if (!picksOf(waiting, 1, { source }).has(backend)) continue;
        failAt(waiting, backend, { source });
        break;
      }
    }
    expect(ejectionTexts(host)).toContain(backend);
    const moved = [...picksOf(waiting, 3, THIRD).keys()];
    expect(moved).toHaveLength(1);
    expect(moved[0]).not.toBe(backend);
    waiting.pass(2 * SECOND);
    expect([...picksOf(waiting, 3, THIRD).keys()]).toEqual(moved);
  });
});

describe("with nothing ejected", () => {
  it("a pick makes the same calls as with ejection off", async () => {
    await load([unejecting(frontend(1))]);
    const off = callsOf(() => waiting.open(FIRST));
    await load();
    expect(callsOf(() => waiting.open(FIRST))).toEqual(off);
  });

  it("and a backend that failed served again, ticks end and nothing is left", async () => {
    await load();
    failAt(waiting, A, FIRST);
    failAt(waiting, A, SECOND_CLIENT);
    waiting.pass(5);
    expect(host.tickPeriods).toEqual([1000]);
    waiting.pass(62 * SECOND);
    expect(host.isTicking).toBe(false);
    const [[, value] = []] = [...host.shared.content()].filter(([key]) => key.startsWith("5065"));
    expect(value).toBe("");
  });
});

describe("off", () => {
  it("for Envoys that make one attempt", async () => {
    await load(undefined, { build: "b,stats=off,attempt=0" });
    failAt(waiting, A, FIRST);
    failAt(waiting, A, SECOND_CLIENT);
    expect(ejectionTexts(host)).toEqual([]);
    expect(isPicked(A, THIRD)).toBe(true);
  });

  it("for a Service: it neither ejects nor heeds what others have ejected", async () => {
    await load([frontend(1), unejecting(frontend(2))]);
    const at = "10.96.0.2:80";
    failAt(waiting, A, { ...FIRST, at });
    failAt(waiting, A, { ...SECOND_CLIENT, at });
    expect(ejectionTexts(host)).toEqual([]);
    failAt(waiting, A, FIRST);
    failAt(waiting, A, SECOND_CLIENT);
    expect(isPicked(A, THIRD)).toBe(false);
    expect(isPicked(A, THIRD, at)).toBe(true);
  });
});
