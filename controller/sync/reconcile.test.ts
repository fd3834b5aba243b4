import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  Broken,
  Controller,
  captureOf,
  DataPlane,
  keyOf,
  type Plain,
} from "../../test/stand-ins/simulated-data-plane.ts";
import { type Lingering, Reconciler } from "./reconcile.ts";

/** Returns the frontends of the UDP listeners that Envoy has. */
function listened({ listeners }: DataPlane): string[] {
  return [...listeners.keys()].map((name) => name.split("/").slice(1, 3).join("/"));
}

const [A, B, C] = [keyOf(1), keyOf(2), keyOf(3)];

function setUp(lingering?: Lingering) {
  const plane = new DataPlane();
  const controller = new Controller(plane);
  const gateways = plane.gateways(() => controller);
  const reconciler = new Reconciler(gateways, lingering);
  const sync = async (state: Plain, full = false) => {
    plane.steps.length = 0;
    reconciler.markChanged([A, B, C]);
    await reconciler.reconcile(controller.target(state), full);
    return plane.steps;
  };
  return { plane, controller, reconciler, sync };
}

describe("Reconciler", () => {
  it("fills an empty Envoy before it listens, and captures last", async () => {
    const { sync } = setUp();
    expect(await sync({ [A]: 2, [B]: 0 })).toEqual(["snapshot", "listen", "capture all"]);
  });

  it("takes what a living Envoy holds as programmed when the controller starts anew", async () => {
    const { plane, sync } = setUp();
    await sync({ [A]: 2, [B]: 1, [C]: 1 });
    const before = new Map(plane.listeners);
    plane.steps.length = 0;
    const controller = new Controller(plane);
    const reconciler = new Reconciler(plane.gateways(() => controller));
    await reconciler.reconcile(controller.target({ [A]: 2, [B]: 3 }), false);
    expect(plane.steps).toEqual(["delta +1 -0", "capture all", "delta +0 -1"]);
    const kept = [...before].filter(([name]) => !name.includes(C));
    expect(plane.listeners).toEqual(new Map(kept));
  });

  it("writes the kernel's rules again when they were forgotten meanwhile", async () => {
    const { plane, controller } = setUp();
    const gateways = plane.gateways(() => controller);
    const { capture } = gateways;
    let forgets = true;
    const full = async (...args: Parameters<typeof capture.full>) => {
      await capture.full(...args);
      if (forgets) reconciler.forgetCapture();
      forgets = false;
    };
    const reconciler = new Reconciler({ ...gateways, capture: { ...capture, full } });
    const written: number[] = [];
    for (let sync = 0; sync < 3; sync++) {
      plane.steps.length = 0;
      await reconciler.reconcile(controller.target({ [A]: 2 }), false);
      written.push(plane.steps.filter((step) => step === "capture all").length);
    }
    expect(written).toEqual([1, 1, 0]);
  });

  it("releases a frontend before the table and Envoy forget its last backend", async () => {
    const { plane, sync } = setUp();
    await sync({ [A]: 2 });
    expect(await sync({ [A]: 0 })).toEqual(["capture", "delta +1 -0"]);
    expect(listened(plane)).toEqual([A]);
    expect([...plane.clusters.values()]).toEqual([0]);
  });

  it("releases a frontend before Envoy gives up its listener", async () => {
    const { plane, sync } = setUp();
    await sync({ [A]: 2, [B]: 1 });
    expect(await sync({ [B]: 1 })).toEqual(["capture", "delta +0 -1"]);
    expect(listened(plane)).toEqual([B]);
    expect(plane.clusters.size).toBe(1);
  });

  it("sends a snapshot when Envoy restarted, and listens last", async () => {
    const { plane, reconciler, sync } = setUp();
    await sync({ [A]: 2 });
    plane.restartEnvoy();
    reconciler.forgetTable();
    expect(await sync({ [A]: 2 })).toEqual(["snapshot", "capture", "listen"]);
    expect(listened(plane)).toEqual([A]);
  });

  it("does not lose what is left for the end when an Envoy connects meanwhile", async () => {
    const { plane, controller, reconciler, sync } = setUp();
    await sync({ [A]: 2, [B]: 1 });
    plane.fault = () => {
      if (plane.steps.at(-1) === "capture") reconciler.forgetTable();
    };
    await sync({ [A]: 2 });
    plane.fault = () => {};
    await reconciler.reconcile(controller.target({ [A]: 2 }), false);
    expect([...plane.table.keys()]).toEqual([A]);
  });

  it("asks again for a table that was read before another Envoy connected", async () => {
    const { plane, controller, sync } = setUp();
    await sync({ [A]: 2 });
    const gateways = plane.gateways(() => controller);
    const { table } = gateways;
    let reads = 0;
    const read = async () => {
      const content = await table.read();
      reads += 1;
      if (reads === 1) reconciler.forgetTable();
      return content;
    };
    const reconciler = new Reconciler({ ...gateways, table: { ...table, read } });
    await reconciler.reconcile(controller.target({ [A]: 2 }), false);
    await reconciler.reconcile(controller.target({ [A]: 2 }), false);
    expect(reads).toBe(2);
  });

  it("puts back on a full sync what somebody else flushed", async () => {
    const { plane, sync } = setUp();
    await sync({ [A]: 2 });
    plane.captured = undefined;
    expect(await sync({ [A]: 2 }, true)).toEqual(["capture all"]);
  });

  it("fills the table though nobody can look at the kernel, and writes that last", async () => {
    const { plane, controller, sync } = setUp();
    await sync({ [A]: 2 });
    const gateways = plane.gateways(() => controller);
    const verify = () => Promise.reject(new Error("no nft"));
    const reconciler = new Reconciler({ ...gateways, capture: { ...gateways.capture, verify } });
    plane.steps.length = 0;
    await reconciler.reconcile(controller.target({ [A]: 2, [B]: 1 }), true);
    expect(plane.steps).toEqual(["delta +1 -0", "capture all"]);
  });

  it("writes the kernel again that others changed while it was written", async () => {
    const { plane, reconciler, sync } = setUp();
    await sync({ [A]: 2 });
    plane.fault = () => {
      if (plane.steps.at(-1) === "capture") reconciler.forgetCapture();
    };
    await sync({ [A]: 2, [B]: 1 });
    plane.fault = () => {};
    expect(await sync({ [A]: 2, [B]: 1 })).toEqual(["capture all"]);
  });

  it("asks again what Envoy holds when a full sync finds another version", async () => {
    const { plane, sync } = setUp();
    await sync({ [A]: 2 });
    plane.version += 1;
    plane.table.delete(A);
    await sync({ [A]: 2 }, true);
    expect(plane.table.get(A)?.backendCount).toBe(2);
  });
});

describe("what the kernel has released", () => {
  const lingeringPlane = () => {
    const clock = { time: 0 };
    return { clock, ...setUp({ ms: 100, now: () => clock.time }) };
  };

  it("stays in the table for a while: connections may wait to be looked up", async () => {
    const { clock, plane, controller, reconciler, sync } = lingeringPlane();
    await sync({ [A]: 2, [B]: 1 });
    expect(await sync({ [A]: 0 })).toEqual(["capture"]);
    expect([...plane.table].map(([key, { backendCount }]) => [key, backendCount])).toEqual([
      [A, 2],
      [B, 1],
    ]);
    clock.time = 60;
    expect(await reconciler.reconcile(controller.target({ [A]: 0 }), false)).toBe(40);
    clock.time = 100;
    expect(await reconciler.reconcile(controller.target({ [A]: 0 }), false)).toBeUndefined();
    expect([...plane.table.values()].map(({ backendCount }) => backendCount)).toEqual([0]);
  });

  it("each has its own time, whatever happens meanwhile", async () => {
    const { clock, plane, sync } = lingeringPlane();
    await sync({ [A]: 1, [B]: 1 });
    await sync({ [B]: 1 });
    clock.time = 50;
    await sync({});
    clock.time = 100;
    await sync({ [C]: 1 });
    expect([...plane.table.keys()].sort()).toEqual([B, C]);
    clock.time = 150;
    await sync({ [C]: 1 });
    expect([...plane.table.keys()]).toEqual([C]);
  });

  it("begins anew when it is wanted again meanwhile", async () => {
    const { clock, plane, sync } = lingeringPlane();
    await sync({ [A]: 1 });
    await sync({});
    clock.time = 50;
    await sync({ [A]: 2 });
    clock.time = 90;
    await sync({});
    clock.time = 120;
    await sync({});
    expect(plane.table.get(A)?.backendCount).toBe(2);
    clock.time = 190;
    await sync({});
    expect(plane.table.size).toBe(0);
  });
});

describe("a UDP listener that Envoy refuses", () => {
  it("is left out, its frontend refused and its Service named; the others go on", async () => {
    const { plane, controller, sync } = setUp();
    plane.bad.add(B);
    await sync({ [A]: 1, [B]: 1, [C]: 1 });
    expect(listened(plane)).toEqual([A, C]);
    expect(plane.captured?.frontends.get(B)?.verdict).toBe("refuse");
    expect(controller.publisher.problems()).toEqual([
      { object: `Service test/${B}`, message: expect.stringContaining("cannot bind") },
    ]);
  });

  it("is not tried again with every sync, but when it is forgiven or changes", async () => {
    const { plane, controller, sync } = setUp();
    plane.bad.add(B);
    await sync({ [A]: 1, [B]: 1 });
    plane.bad.clear();
    await sync({ [A]: 2, [B]: 1 });
    expect(plane.captured?.frontends.get(B)?.verdict).toBe("refuse");
    controller.publisher.forgetRefusals();
    await sync({ [A]: 2, [B]: 1 });
    expect(plane.captured?.frontends.get(B)?.verdict).toBe("keep");
    expect(controller.publisher.problems()).toEqual([]);
  });
});

const key = fc.integer({ min: 1, max: 5 }).map(keyOf);
const plain = fc.dictionary(key, fc.integer({ min: 0, max: 3 }), { noNullPrototype: true });
const event = fc.oneof(
  { weight: 6, arbitrary: plain.map((state) => ({ kind: "target" as const, state })) },
  { weight: 1, arbitrary: fc.constant({ kind: "envoy restarts" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "controller restarts" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "rules flushed" as const }) },
  {
    weight: 1,
    arbitrary: fc.uniqueArray(key).map((keys) => ({ kind: "bad listeners" as const, keys })),
  },
);

describe("simulation", () => {
  it("converges whatever fails when, and never hands over what cannot be served", async () => {
    const failures = fc.infiniteStream(fc.integer({ min: 0, max: 9 }));
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 25 }), failures, async (events, dice) => {
        const plane = new DataPlane();
        let controller = new Controller(plane);
        let time = 0;
        const lingering = { ms: 2, now: () => time };
        const begun = () =>
          new Reconciler(
            plane.gateways(() => controller),
            lingering,
          );
        let reconciler = begun();
        const restart = () => {
          plane.restartController();
          controller = new Controller(plane);
          reconciler = begun();
        };
        let state: Plain = {};
        // The kernel hands over what Envoy refuses until it is updated. And a controller that
        // starts does not know when a listener that it finds has a cluster without hosts.
        let excused = new Set<string>();
        plane.excused = (key) =>
          excused.has(key) ||
          (!controller.publisher.hasSetListeners && plane.withoutHosts().includes(key));
        plane.fault = () => {
          if (dice.next().value === 0) throw new Error("fault");
        };
        for (const each of events) {
          time += 1;
          if (each.kind === "target") {
            reconciler.markChanged([...Object.keys(state), ...Object.keys(each.state)]);
            state = each.state;
          } else if (each.kind === "envoy restarts") {
            plane.restartEnvoy();
            reconciler.forgetTable();
          } else if (each.kind === "controller restarts") {
            restart();
          } else if (each.kind === "bad listeners") {
            plane.bad = new Set(each.keys);
            excused = excused.union(plane.bad);
          } else {
            plane.captured = undefined;
            restart();
          }
          await reconciler.reconcile(controller.target(state), false).then(
            () => {
              excused = new Set(plane.bad);
            },
            (error) => {
              if (error instanceof Broken) throw error;
            },
          );
        }
        plane.fault = () => {};
        plane.bad.clear();
        controller.publisher.forgetRefusals();
        await reconciler.reconcile(controller.target(state), true);
        time += lingering.ms;
        const rest = await reconciler.reconcile(controller.target(state), false);
        expect(rest).toBeUndefined();
        plane.excused = () => false;
        const table = [...plane.table].map(([key, each]) => [key, each.backendCount]);
        expect(Object.fromEntries(table)).toEqual(state);
        const { udpBindings = new Map() } = plane.captured ?? {};
        const formerUdpBindings = new Map();
        expect(plane.captured).toEqual({ ...captureOf(state), udpBindings, formerUdpBindings });
        expect(plane.listening).toBe(true);
        const wanted = [...udpBindings].map(([key, { bound }]) => `udp-keep/${key}/${bound.keep}`);
        expect([...plane.listeners.keys()].sort()).toEqual(wanted.sort());
        expect(plane.broken()).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
