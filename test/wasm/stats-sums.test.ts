// The sum of what the plugin counted is what happened, over workers, lists, reloads and removals.

import fc from "fast-check";
import { expect, it } from "vitest";
import type { Counters } from "../../controller/wire/stats.ts";
import type { ConnectionEnd } from "./connecting-envoy.ts";
import { type OpenConnection, WasmHost } from "./host.ts";
import { forget, statsOf } from "./stats-fixtures.ts";
import { backends, frontend, PLUGIN, snapshot } from "./table-fixtures.ts";

const TABLE = [
  frontend(1),
  frontend(2),
  frontend(3, { verdict: "local", localBackends: backends(2) }),
  frontend(4, { backends: [] }),
];

/** The sum of all entries. */
interface Total {
  opened: number;
  closed: number;
  failed: number;
  noBackend: number;
  bytes: number;
  connected: number;
}

type Step =
  | { kind: "open"; to: number; worker: number; local: boolean }
  | { kind: "end"; which: number; how: ConnectionEnd }
  | { kind: "tick" }
  | { kind: "reload" }
  | { kind: "forget" };

const count = fc.nat({ max: 2 ** 31 });
const howEnded: fc.Arbitrary<ConnectionEnd> = fc.oneof(
  fc.record({ receivedBytes: count, sentBytes: count, connectNanoseconds: count }),
  fc.record({ flags: fc.constant(0x20), failure: fc.constantFrom("", "refused", "timeout") }),
  fc.constant({}),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("open" as const),
      to: fc.integer({ min: 1, max: 5 }),
      worker: fc.nat({ max: 1 }),
      local: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      which: fc.nat(),
      how: howEnded,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reload" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const) }) },
);

/** Hosts that share a table as plugins do that take over from each other, and what they met. */
class World {
  readonly hosts: { host: WasmHost; open: number }[] = [];
  readonly open: { host: { open: number }; connection: OpenConnection }[] = [];
  readonly happened: Total = {
    opened: 0,
    closed: 0,
    failed: 0,
    noBackend: 0,
    bytes: 0,
    connected: 0,
  };
  /** What the forgotten entries had. */
  readonly forgotten: Total = { ...this.happened };

  get now() {
    return this.hosts.at(-1) as { host: WasmHost; open: number };
  }

  async run(one: Step): Promise<void> {
    if (one.kind === "open") this.#open(one.to, one.worker, one.local);
    else if (one.kind === "end") this.#end(one.which, one.how);
    else if (one.kind === "tick") this.tick();
    else if (one.kind === "forget") this.#forget();
    else await this.reload();
  }

  async reload(): Promise<void> {
    const before = this.hosts.at(-1)?.host;
    const build = "b,stats=service";
    const shared = before && { shared: before.shared };
    const host = await WasmHost.load(PLUGIN, { workers: 2, build, ...shared });
    if (!before) host.pushAll(snapshot(TABLE, 1));
    this.hosts.push({ host, open: 0 });
    this.#closeOld();
  }

  tick(): void {
    for (const { host } of this.hosts) host.tick();
  }

  total(): Total {
    const sum: Total = { ...this.forgotten };
    for (const { counters } of statsOf(this.now.host)) add(sum, totalOf(counters));
    return sum;
  }

  #open(to: number, worker: number, local: boolean): void {
    const at = this.now;
    const isLocal = local && to === 3;
    const options = { worker, list: isLocal ? ("local" as const) : ("cluster" as const) };
    const connection = at.host.open(`10.96.0.${to}:80`, options);
    if (connection.connected.closed) {
      if (connection.connected.closed === "no-backend") this.happened.noBackend++;
      connection.end({ sentBytes: 99 });
      return;
    }
    this.happened.opened++;
    at.open++;
    this.open.push({ host: at, connection });
  }

  #end(which: number, how: ConnectionEnd): void {
    const [ended] = this.open.splice(which % Math.max(1, this.open.length), 1);
    if (!ended) return;
    ended.connection.end(how);
    ended.host.open--;
    const { receivedBytes = 0, sentBytes = 0, connectNanoseconds: connected = 0 } = how;
    this.happened.closed++;
    this.happened.bytes += receivedBytes + sentBytes;
    if (connected > 0) this.happened.connected++;
    else if (how.flags === 0x20) this.happened.failed++;
    this.#closeOld();
  }

  /** Everything that is there, whether its Service is gone or not: nothing open may get lost. */
  #forget(): void {
    const before = statsOf(this.now.host);
    forget(this.now.host, ...before);
    const left = new Set(statsOf(this.now.host).map(({ serviceId }) => serviceId));
    for (const { serviceId, counters } of before) {
      if (!left.has(serviceId)) add(this.forgotten, totalOf(counters));
      expect(left.has(serviceId)).toBe(counters.opened !== counters.closed);
    }
  }

  /** The old code goes with its last connection. */
  #closeOld(): void {
    for (const old of this.hosts.slice(0, -1).filter(({ open }) => open === 0)) {
      old.host.close();
      this.hosts.splice(this.hosts.indexOf(old), 1);
    }
  }
}

function totalOf({ opened, closed, failed, receivedBytes, sentBytes, connect }: Counters): Total {
  return {
    opened,
    closed,
    failed: failed.refused + failed.timedOut + failed.other,
    noBackend: failed.noBackend,
    bytes: receivedBytes + sentBytes,
    connected: connect.buckets.reduce((a, b) => a + b),
  };
}

function add(to: Total, from: Total): void {
  for (const name of Object.keys(to) as (keyof Total)[]) to[name] += from[name];
}

it("is as much as happened, over workers, lists, reloads and removals", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
      const world = new World();
      await world.reload();
      for (const one of steps) await world.run(one);
      world.tick();
      expect(world.total()).toEqual(world.happened);
    }),
    { numRuns: 60 },
  );
});

it("is as much as happened when thousands are open and many Services in use", async () => {
  const many = Array.from({ length: 1000 }, (_, index) => frontend(index + 1));
  const host = await WasmHost.load(PLUGIN);
  host.pushAll(snapshot(many, 1));
  const open = Array.from({ length: 5000 }, (_, index) => {
    const at = (index % 1000) + 1;
    return host.open(`10.96.${at >> 8}.${at & 255}:80`);
  });
  // In an order in which the holes of the table of open connections close and open again.
  for (let i = 0; i < 5000; i++) open[(i * 1709) % 5000]?.end({ sentBytes: i });
  host.tick();
  const sum = { opened: 0, closed: 0, sent: 0 };
  for (const { counters } of statsOf(host)) {
    sum.opened += counters.opened;
    sum.closed += counters.closed;
    sum.sent += counters.sentBytes;
  }
  expect(sum).toEqual({ opened: 5000, closed: 5000, sent: (5000 * 4999) / 2 });
});
