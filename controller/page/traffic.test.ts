import { expect, it } from "vitest";
import { type Totals, Traffic, type TrafficReading } from "./traffic.ts";

const totals = (connections: number, openConnections = 0, bytes = 0): Totals => ({
  connections,
  openConnections,
  failures: 0,
  receivedBytes: bytes,
  sentBytes: bytes * 2,
});

/** Time passes only when a test says so; each pass runs the readings that are due. */
function makeTraffic(readings: (TrafficReading | Error)[]) {
  let time = 0;
  let due: { at: number; callback: () => void } | undefined;
  let reads = 0;
  const clock = {
    now: () => time,
    after: (delayMs: number, callback: () => void) => {
      due = { at: time + delayMs, callback };
      return () => {
        due = undefined;
      };
    },
  };
  const read = async () => {
    const reading = readings[Math.min(reads++, readings.length - 1)];
    if (!reading || reading instanceof Error) throw reading;
    return reading;
  };
  const traffic = new Traffic({ read, clock });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const pass = async (milliseconds: number) => {
    const end = time + milliseconds;
    await settle();
    while (due && due.at <= end) {
      const { at, callback } = due;
      due = undefined;
      time = at;
      callback();
      await settle();
    }
    time = end;
  };
  return { traffic, pass, reads: () => reads };
}

it("makes rates of totals, and keeps their history", async () => {
  const { traffic, pass } = makeTraffic([
    { node: totals(100, 5, 1_000) },
    { node: totals(104, 7, 3_000) },
    { node: totals(104, 0, 3_000) },
  ]);
  traffic.look();
  await pass(0);
  expect(traffic.now()).toBeUndefined();
  await pass(2_000);
  expect(traffic.now()).toEqual({
    connectionsPerSecond: 2,
    openConnections: 7,
    failuresPerSecond: 0,
    receivedBytesPerSecond: 1_000,
    sentBytesPerSecond: 2_000,
  });
  await pass(2_000);
  expect(traffic.history()).toEqual({
    intervalSeconds: 2,
    connectionsPerSecond: [2, 0],
    openConnections: [7, 0],
    bytesPerSecond: [3_000, 0],
  });
});

it("tells the Services apart, and knows those without traffic", async () => {
  const { traffic, pass } = makeTraffic([
    { node: totals(0), services: new Map([["shop/a", totals(10)]]) },
    {
      node: totals(0),
      services: new Map([
        ["shop/a", totals(30)],
        ["shop/b", totals(4)],
      ]),
    },
  ]);
  traffic.look();
  await pass(2_000);
  expect(traffic.isCounted).toBe(true);
  expect(traffic.of("shop/a")?.connectionsPerSecond).toBe(10);
  expect(traffic.of("shop/b")?.connectionsPerSecond).toBe(2);
  expect(traffic.of("shop/c")?.connectionsPerSecond).toBe(0);
});

it("does not take another Envoy's smaller totals for less than nothing", async () => {
  const { traffic, pass } = makeTraffic([{ node: totals(1_000) }, { node: totals(6) }]);
  traffic.look();
  await pass(2_000);
  expect(traffic.now()?.connectionsPerSecond).toBe(3);
});

it("begins anew after a gap", async () => {
  const { traffic, pass } = makeTraffic([
    { node: totals(0) },
    { node: totals(2) },
    new Error("no Envoy"),
    { node: totals(500) },
    { node: totals(504) },
  ]);
  traffic.look();
  await pass(2_000);
  expect(traffic.now()?.connectionsPerSecond).toBe(1);
  await pass(4_000);
  expect(traffic.now()).toBeUndefined();
  await pass(2_000);
  expect(traffic.history().connectionsPerSecond).toEqual([2]);
});

it("reads nothing while nobody looks", async () => {
  const { traffic, pass, reads } = makeTraffic([{ node: totals(0) }]);
  await pass(600_000);
  expect(reads()).toBe(0);
  traffic.look();
  await pass(600_000);
  const read = reads();
  expect(read).toBeGreaterThan(20);
  expect(read).toBeLessThan(40);
  await pass(600_000);
  expect(reads()).toBe(read);
  traffic.look();
  await pass(0);
  expect(reads()).toBe(read + 1);
  traffic.stop();
});
