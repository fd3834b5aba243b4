import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EMPTY_CAPTURE_SET } from "../node/capture-set.ts";
import type { CaptureSet, FrontendKey, Verdict } from "../node/types.ts";
import type { TableEntry } from "./plan.ts";
import { Reconciler, type Target } from "./reconcile.ts";

/** Backends per frontend: what the target and the simulated data plane are made of. */
type Plain = Record<FrontendKey, number>;

function entry(key: FrontendKey, backendCount: number): TableEntry {
  return { key: Buffer.from(key), record: Buffer.from(`${key}=${backendCount}`), backendCount };
}

function captureOf(plain: Plain): CaptureSet {
  const verdicts = new Map<FrontendKey, Verdict>();
  for (const [key, count] of Object.entries(plain)) verdicts.set(key, count ? "keep" : "refuse");
  return { ...EMPTY_CAPTURE_SET, verdicts };
}

function targetOf(plain: Plain): Target {
  const entries = Object.entries(plain).map(([key, count]) => [key, entry(key, count)] as const);
  return { table: new Map(entries), capture: captureOf(plain) };
}

/**
 * Envoy and the kernel as far as the order of programming can tell: every step may fail, before
 * or after it took effect, and the invariant is checked after each.
 */
class DataPlane {
  version = 0;
  table = new Map<FrontendKey, TableEntry>();
  captured: CaptureSet | undefined;
  listening = false;
  readonly steps: string[] = [];
  /** Called before and after each step; throws to make it fail. */
  fault: () => void = () => {};

  readonly gateways = {
    table: {
      version: async () => ({ version: this.version }),
      read: async () => {
        this.fault();
        return { version: this.version, entries: new Map(this.table) };
      },
      pushSnapshot: (entries: readonly TableEntry[]) =>
        this.#step("snapshot", () => {
          this.table = new Map(entries.map((each) => [each.key.toString(), each]));
          this.version += 1;
          return this.version;
        }),
      pushDelta: (base: number, upserts: readonly TableEntry[], removals: readonly TableEntry[]) =>
        this.#step(`delta +${upserts.length} -${removals.length}`, () => {
          if (base !== this.version) throw new Error(`conflict: ${base} is not ${this.version}`);
          for (const each of upserts) this.table.set(each.key.toString(), each);
          for (const each of removals) this.table.delete(each.key.toString());
          this.version += 1;
          return this.version;
        }),
    },
    listeners: () => ({
      active: this.listening,
      publish: () =>
        this.#step("listen", () => {
          this.listening = true;
        }),
    }),
    capture: {
      full: (set: CaptureSet) =>
        this.#step("capture all", () => {
          this.captured = set;
        }),
      update: (previous: CaptureSet, next: CaptureSet) =>
        this.#step("capture", () => {
          expect(this.captured).toBe(previous);
          this.captured = next;
        }),
      verify: async () => this.captured !== undefined,
      isPresent: async () => this.captured !== undefined,
    },
  };

  /** Envoy starts anew: no table, no listeners. The kernel does not notice. */
  restartEnvoy(): void {
    this.version = 0;
    this.table.clear();
    this.listening = false;
  }

  /** Invariant 3 of the design: whatever is handed over has a record with backends. */
  broken(): FrontendKey[] {
    if (!this.captured || !this.listening) return [];
    const handedOver = [...this.captured.verdicts].filter(([, verdict]) => verdict === "keep");
    return handedOver.map(([key]) => key).filter((key) => !this.table.get(key)?.backendCount);
  }

  async #step<Result>(name: string, effect: () => Result): Promise<Result> {
    this.fault();
    const result = effect();
    this.steps.push(name);
    expect(this.broken()).toEqual([]);
    this.fault();
    return result;
  }
}

describe("Reconciler", () => {
  it("fills an empty Envoy before it listens, and captures last", async () => {
    const plane = new DataPlane();
    await new Reconciler(plane.gateways).reconcile(targetOf({ a: 2, b: 0 }), false);
    expect(plane.steps).toEqual(["snapshot", "listen", "capture all"]);
  });

  it("takes what a living Envoy holds as programmed when the controller starts anew", async () => {
    const plane = new DataPlane();
    await new Reconciler(plane.gateways).reconcile(targetOf({ a: 2, b: 1, c: 1 }), false);
    plane.steps.length = 0;
    await new Reconciler(plane.gateways).reconcile(targetOf({ a: 2, b: 3 }), false);
    expect(plane.steps).toEqual(["delta +1 -0", "listen", "capture all", "delta +0 -1"]);
  });

  it("releases a frontend before the table forgets its last backend", async () => {
    const plane = new DataPlane();
    const reconciler = new Reconciler(plane.gateways);
    await reconciler.reconcile(targetOf({ a: 2 }), false);
    plane.steps.length = 0;
    reconciler.markChanged(["a"]);
    await reconciler.reconcile(targetOf({ a: 0 }), false);
    expect(plane.steps).toEqual(["listen", "capture", "delta +1 -0"]);
  });

  it("sends a snapshot when Envoy restarted, and listens last", async () => {
    const plane = new DataPlane();
    const reconciler = new Reconciler(plane.gateways);
    await reconciler.reconcile(targetOf({ a: 2 }), false);
    plane.restartEnvoy();
    plane.steps.length = 0;
    reconciler.forgetTable();
    await reconciler.reconcile(targetOf({ a: 2 }), false);
    expect(plane.steps).toEqual(["snapshot", "capture", "listen"]);
  });

  it("puts back on a full sync what somebody else flushed", async () => {
    const plane = new DataPlane();
    const reconciler = new Reconciler(plane.gateways);
    await reconciler.reconcile(targetOf({ a: 2 }), false);
    plane.captured = undefined;
    plane.steps.length = 0;
    await reconciler.reconcile(targetOf({ a: 2 }), true);
    expect(plane.steps).toEqual(["listen", "capture all"]);
  });

  it("asks again what Envoy holds when a full sync finds another version", async () => {
    const plane = new DataPlane();
    const reconciler = new Reconciler(plane.gateways);
    await reconciler.reconcile(targetOf({ a: 2 }), false);
    plane.version += 1;
    plane.table.set("a", entry("a", 9));
    await reconciler.reconcile(targetOf({ a: 2 }), true);
    expect(plane.table.get("a")?.backendCount).toBe(2);
  });
});

const keys = fc.constantFrom("a", "b", "c", "d", "e");
const plain = fc.dictionary(keys, fc.integer({ min: 0, max: 3 }));
const event = fc.oneof(
  { weight: 6, arbitrary: plain.map((state) => ({ kind: "target" as const, state })) },
  { weight: 1, arbitrary: fc.constant({ kind: "envoy restarts" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "controller restarts" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "rules flushed" as const }) },
);

describe("simulation", () => {
  it("converges whatever fails when, and never captures what the table cannot serve", async () => {
    const failures = fc.infiniteStream(fc.integer({ min: 0, max: 9 }));
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 25 }), failures, async (events, dice) => {
        const plane = new DataPlane();
        let reconciler = new Reconciler(plane.gateways);
        let state: Plain = {};
        plane.fault = () => {
          if (dice.next().value === 0) throw new Error("fault");
        };
        for (const each of events) {
          if (each.kind === "target") {
            reconciler.markChanged([...Object.keys(state), ...Object.keys(each.state)]);
            state = each.state;
          } else if (each.kind === "envoy restarts") {
            plane.restartEnvoy();
            reconciler.forgetTable();
          } else if (each.kind === "controller restarts") {
            reconciler = new Reconciler(plane.gateways);
          } else {
            plane.captured = undefined;
            reconciler = new Reconciler(plane.gateways);
          }
          await reconciler.reconcile(targetOf(state), false).catch(() => {});
        }
        plane.fault = () => {};
        await reconciler.reconcile(targetOf(state), true);
        const table = [...plane.table].map(([key, each]) => [key, each.backendCount]);
        expect(Object.fromEntries(table)).toEqual(state);
        expect(plane.captured).toEqual(captureOf(state));
        expect(plane.listening).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
