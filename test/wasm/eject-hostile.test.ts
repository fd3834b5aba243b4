// Whatever is in shared data where the entries should be, picks stay in the list, on at least half
// of it, and it is gone in the end.

import fc from "fast-check";
import { expect, it } from "vitest";
import { EJECT_ENTRY_BYTES, MOST_EJECTED } from "../../plugin/wire/eject-layout.ts";
import { client, ejectionsOf, ejectionTexts, failAt, picksOf, succeedAt } from "./ejecting-host.ts";
import { backends, backendText, frontend } from "./table-fixtures.ts";
import { WaitingHost } from "./waiting-host.ts";

const WEB = frontend(1, { backends: backends(4) });
const PLACES = WEB.backends.map(backendText);
const NOW = 1_000_000_000_000n;
const SECOND = 1_000_000_000n;
const CLIENT = { source: client(1) };

async function load(): Promise<WaitingHost> {
  return WaitingHost.load([WEB], { build: "b,stats=off" }, { time: NOW });
}

/** The key of the entries, and the bytes of one that the plugin has made. */
async function written(): Promise<{ key: Buffer; entry: Buffer }> {
  const waiting = await load();
  failAt(waiting, PLACES[0] as string, CLIENT);
  const content = [...waiting.host.shared.content()];
  const [key = "", value = ""] = content.find(([name]) => name.startsWith("5065")) ?? [];
  return { key: Buffer.from(key, "hex"), entry: Buffer.from(value, "hex") };
}

/** Puts bytes there, and has a tick read them. */
function put(waiting: WaitingHost, key: Buffer, bytes: Uint8Array): void {
  waiting.host.shared.set(key, Buffer.from(bytes), 0);
  waiting.open().end({ flags: 0x4, accepted: false });
  waiting.pass(5);
}

it("has an entry of the size of the layout", async () => {
  const { entry } = await written();
  expect(entry).toHaveLength(EJECT_ENTRY_BYTES);
});

it("an ejection that would last longer than any is none", async () => {
  const { key, entry } = await written();
  const waiting = await load();
  for (const until of [NOW + 40n * SECOND, 2n ** 63n, 2n ** 64n - 1n]) {
    entry.writeBigUInt64LE(until, 0);
    put(waiting, key, entry);
    expect(ejectionTexts(waiting.host)).toEqual([]);
    expect(picksOf(waiting, 60, CLIENT).size).toBe(4);
  }
  entry.writeBigUInt64LE(NOW + 20n * SECOND, 0);
  put(waiting, key, entry);
  expect(picksOf(waiting, 60, CLIENT).size).toBe(3);
});

it("any bytes leave the list and half of it, and the plugin works", async () => {
  const { key, entry } = await written();
  const changed = fc
    .array(fc.tuple(fc.nat(EJECT_ENTRY_BYTES - 1), fc.nat(255)), { maxLength: 6 })
    .map((changes) => {
      const bytes = Buffer.from(entry);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
  const rows = fc.array(changed, { maxLength: MOST_EJECTED + 9 }).map((all) => Buffer.concat(all));
  const anything = fc.oneof(
    rows,
    fc.uint8Array({ maxLength: 300 }),
    fc.constant(entry.subarray(1)),
  );
  const waiting = await load();
  fc.assert(
    fc.property(anything, (bytes) => {
      put(waiting, key, bytes);
      const picks = picksOf(waiting, 80, CLIENT);
      expect(PLACES).toEqual(expect.arrayContaining([...picks.keys()]));
      expect(picks.size).toBeGreaterThanOrEqual(2);
      expect(ejectionsOf(waiting.host).length).toBeLessThanOrEqual(MOST_EJECTED);
      const place = [...picks.keys()][0] as string;
      failAt(waiting, place, { source: client(7) });
      waiting.pass(33_000);
      succeedAt(waiting, place, { source: client(7) });
    }),
    { numRuns: 150, seed: 14 },
  );
  waiting.pass(70_000);
  expect(ejectionTexts(waiting.host)).toEqual([]);
  expect(waiting.host.isTicking).toBe(false);
});

it("remembers a bounded number, and first forgets what is for one client", async () => {
  const many = frontend(1, { backends: backends(250) });
  const waiting = await WaitingHost.load([many], { build: "b,stats=off" }, { time: NOW });
  const [first = ""] = many.backends.map(backendText);
  failAt(waiting, first, { source: client(900) });
  failAt(waiting, first, { source: client(901) });
  const failSome = (from: number) => {
    for (let number = from; number < from + 300; number++) {
      const { envoy, end } = waiting.open({ source: client(number) });
      envoy.fail();
      waiting.pass(5);
      end({ flags: 0x24, accepted: false });
    }
  };
  failSome(1_000);
  expect(ejectionsOf(waiting.host)).toHaveLength(MOST_EJECTED);
  expect(ejectionTexts(waiting.host)).toContain(first);
  expect(ejectionTexts(waiting.host)).not.toContain(
    `${first} for ${client(900).replace(":40000", "")}`,
  );
  const bytes = waiting.host.memoryBytes();
  failSome(2_000);
  expect(waiting.host.memoryBytes()).toBe(bytes);
});
