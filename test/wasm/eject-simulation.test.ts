// Backends and clients that fail at random, two workers, both lists: what must hold whatever
// happens. Seeded: a failure names its seed.

import fc from "fast-check";
import { expect, it } from "vitest";
import { client, ejectionTexts, picksOf, REFUSED, TIMED_OUT } from "./ejecting-host.ts";
import type { ConnectOptions } from "./host.ts";
import { backends, backendText, frontend } from "./table-fixtures.ts";
import { AT, ATTEMPTS, WaitingHost } from "./waiting-host.ts";

const CLIENTS = 4;
const SPLIT = frontend(1, { backends: backends(5), localBackends: backends(2) });
const STICKY = frontend(2, { backends: backends(3), affinityTimeoutSeconds: 30 });
const PLACES = SPLIT.backends.map(backendText);
const LISTS = [
  { at: AT, list: "cluster", places: PLACES },
  { at: AT, list: "local", places: SPLIT.localBackends.map(backendText) },
  { at: "10.96.0.2:80", list: "cluster", places: STICKY.backends.map(backendText) },
] as const;
/** So many picks that none of five backends is missed by chance: 5 × 0.8^150 is 1e-14. */
const SAMPLE = 150;
/** The longest ejection, and the longest claim after it. */
const LONGEST_MS = 33_000;

type State = "works" | "refuses" | "silent";

/** What backends do, to all clients or to one. */
class World {
  readonly waiting: WaitingHost;
  readonly states = new Map<string, State>();
  readonly denied = new Set<string>();

  constructor(waiting: WaitingHost) {
    this.waiting = waiting;
  }

  #stateFor(backend: string, number: number): State {
    if (this.denied.has(`${number} ${backend}`)) return "silent";
    return this.states.get(backend) ?? "works";
  }

  /** A client connects as Envoy has it connect; returns all that were attempted. */
  connect(number: number, which: (typeof LISTS)[number], worker: number): string[] {
    const options: ConnectOptions = { source: client(number), worker, list: which.list };
    const { envoy, end } = this.waiting.open(options, which.at);
    for (;;) {
      const state = this.#stateFor(envoy.attempted.at(-1) as string, number);
      if (state === "works") break;
      if (state === "silent") this.waiting.pass(1_000);
      envoy.fail(state === "silent" ? TIMED_OUT : REFUSED);
      this.waiting.pass(5);
      if (envoy.attempted.length === ATTEMPTS) {
        end({ flags: 0x8020, accepted: false });
        return envoy.attempted;
      }
      envoy.attempt();
    }
    envoy.accept();
    this.waiting.pass(5);
    end();
    return envoy.attempted;
  }
}

async function newWorld(): Promise<World> {
  const options = { workers: 2, build: "b,stats=off" };
  return new World(await WaitingHost.load([SPLIT, STICKY], options));
}

const aClient = fc.integer({ min: 1, max: CLIENTS });
const aBackend = fc.constantFrom(...PLACES);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constant("connect"), aClient, fc.nat(2), fc.nat(1)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("change"), aBackend, fc.nat(3)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("deny"), aClient, aBackend) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("pass"), fc.integer({ min: 1, max: 9_000 })) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function run(world: World, each: Step): void {
  const [what, first, second, third] = each as [string, never, never, never];
  if (what === "connect") {
    const which = LISTS[second] as (typeof LISTS)[number];
    const attempted = world.connect(first, which, third);
    expect(which.places).toEqual(expect.arrayContaining(attempted));
  } else if (what === "change") {
    world.states.set(first, (["works", "refuses", "refuses", "silent"] as const)[second] as State);
  } else if (what === "deny") world.denied.add(`${first} ${second}`);
  else world.waiting.pass(first);
}

/** At least half of each list without session affinity is picked for each client. */
function expectHalf(world: World): void {
  const { waiting } = world;
  for (let number = 1; number <= CLIENTS; number++) {
    for (let i = 0; i < 4; i++) world.connect(number, LISTS[0], 0);
  }
  for (const { at, list, places } of LISTS.slice(0, 2)) {
    for (let number = 1; number <= CLIENTS; number++) {
      const picks = picksOf(waiting, SAMPLE, { source: client(number), list }, at);
      expect(picks.size).toBeGreaterThanOrEqual(Math.ceil(places.length / 2));
      expect(places).toEqual(expect.arrayContaining([...picks.keys()]));
    }
  }
}

/** Everything works again: all is used again within the time, and then nothing is left. */
function expectHealing(world: World): void {
  world.states.clear();
  world.denied.clear();
  world.waiting.pass(LONGEST_MS);
  for (const worker of [0, 1]) {
    for (let number = 1; number <= CLIENTS; number++) {
      const used = new Set<string>();
      for (let i = 0; i < SAMPLE; i++) {
        const attempted = world.connect(number, LISTS[0], worker);
        expect(attempted).toHaveLength(1);
        used.add(attempted[0] as string);
      }
      expect([...used].sort()).toEqual(PLACES);
    }
  }
  expect(ejectionTexts(world.waiting.host)).toEqual([]);
  world.waiting.pass(2 * LONGEST_MS);
  const { host } = world.waiting;
  const values = [...host.shared.content()].filter(([key]) => key.startsWith("5065"));
  expect(values.map(([, value]) => value)).toEqual(values.map(() => ""));
  expect(host.isTicking).toBe(false);
}

it("whatever fails, picks stay in the list, on at least half of it, and heal", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const world = await newWorld();
      for (const each of steps) run(world, each);
      expectHalf(world);
      expectHealing(world);
      world.waiting.host.close();
    }),
    { numRuns: 40, seed: 14 },
  );
}, 120_000);

it("what fails one client alone changes no other client's picks", async () => {
  const failures = fc.array(fc.tuple(aBackend, fc.nat(1), fc.integer({ min: 1, max: 40_000 })), {
    minLength: 3,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(failures, fc.boolean(), async (all, isServedMeanwhile) => {
      const world = await newWorld();
      for (const [backend, worker, pause] of all) {
        world.denied.add(`1 ${backend}`);
        world.connect(1, LISTS[0], worker);
        world.waiting.pass(pause);
        if (isServedMeanwhile) world.connect(2, LISTS[0], 1 - worker);
        const picks = picksOf(world.waiting, SAMPLE, { source: client(3), worker });
        expect([...picks.keys()].sort()).toEqual(PLACES);
      }
    }),
    { numRuns: 30, seed: 14 },
  );
}, 120_000);

it("all of a list ejected is none ejected", async () => {
  const world = await newWorld();
  for (const place of PLACES) world.states.set(place, "refuses");
  for (let i = 0; i < 20; i++) world.connect(1 + (i % CLIENTS), LISTS[0], i % 2);
  const times = picksOf(world.waiting, 1_000, { source: client(9) });
  // 200 each on average; five standard deviations.
  expect([...times.keys()].sort()).toEqual(PLACES);
  for (const each of times.values()) expect(Math.abs(each - 200)).toBeLessThan(64);
});
