import { expect, it } from "vitest";
import { DEFAULT_SETTINGS, isLimited } from "../node/frontend-settings.ts";
import { limitCountsOf, limitTexts } from "./limit-counts.ts";
import { serviceIdOf } from "./service-id.ts";
import type { Counters, StatsEntry } from "./stats.ts";

const WEB = { namespace: "shop", service: "web", portName: "http", protocol: "TCP" } as const;
const BOTH = { ...DEFAULT_SETTINGS, maxConnections: 10, maxNewConnectionsPerSecond: 20 };

function entry(counters: object, backend?: StatsEntry["backend"]): StatsEntry {
  const own = counters as Counters;
  return { serviceId: serviceIdOf(WEB), backend, counters: own, keyBytes: new Uint8Array() };
}

it("says how much of each limit is used, and what it refused", () => {
  const limited = { connections: 3, newConnections: 4 };
  const entries = [
    entry({ opened: 1, closed: 1 }, { address: "10.1.0.1", port: 80 }),
    entry({ opened: 12, closed: 3, limited }),
  ];
  const counts = limitCountsOf(WEB, entries);
  expect(counts).toEqual({ open: 9, refused: 3, refusedNew: 4 });
  expect(limitTexts(BOTH, counts)).toEqual([
    "9 of at most 10 connections, 3 refused",
    "at most 20 new connections a second, 4 refused",
  ]);
  expect(limitTexts({ ...BOTH, maxConnections: 0 }, counts)).toHaveLength(1);
});

it("is nothing for a Service that was never used, and none without limits", () => {
  expect(limitCountsOf(WEB, [])).toEqual({ open: 0, refused: 0, refusedNew: 0 });
  expect(isLimited(BOTH)).toBe(true);
  expect(isLimited(DEFAULT_SETTINGS)).toBe(false);
});
