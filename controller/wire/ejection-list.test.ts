import { describe, expect, it } from "vitest";
import {
  EJECT_ENTRY_BYTES,
  EJECT_FOR_ALL,
  EJECT_HEADER_BYTES,
  EJECT_MAGIC,
  EJECT_PROBED,
  EJECT_VERSION,
} from "../../plugin/wire/eject-layout.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { FrontendSettings } from "../node/types.ts";
import { decodeEjected, EjectedError, type Ejection } from "./ejected.ts";
import { ejectedOf, ejectionText } from "./ejection-list.ts";

const SECOND = 1_000_000_000n;

interface Written {
  until?: bigint;
  last?: number;
  family?: number;
  strikes?: number;
  reason?: number;
  flags?: number;
}

function entry(own: Written): Buffer {
  const bytes = Buffer.alloc(EJECT_ENTRY_BYTES);
  const { until = 13n, last = 1, family = 4, strikes = 2, reason = 1, flags = 0 } = own;
  bytes.writeBigUInt64LE(until * SECOND, 0);
  bytes.writeBigUInt64LE(6n * SECOND, 8);
  bytes.set([10, 1, 0, last], 24);
  bytes.writeUInt16BE(8080, 40);
  bytes.set([family, strikes, reason, flags, 7, 0], 42);
  bytes.set([10, 2, 0, 9], 48);
  return bytes;
}

function answer(...entries: Buffer[]): Buffer {
  const header = Buffer.alloc(EJECT_HEADER_BYTES);
  header.writeUInt32LE(EJECT_MAGIC, 0);
  header.writeUInt16LE(EJECT_VERSION, 4);
  header.writeBigUInt64LE(10n * SECOND, 8);
  return Buffer.concat([header, ...entries]);
}

describe("an answer", () => {
  it("has times as they are left", () => {
    expect(decodeEjected(answer(entry({}), entry({ until: 4n, flags: EJECT_FOR_ALL })))).toEqual([
      {
        backend: { address: "10.1.0.1", port: 8080 },
        client: "10.2.0.9",
        reason: "refused",
        secondsLeft: 3,
        secondsSince: 4,
        strikes: 2,
        failures: 7,
        isProbed: false,
        servesOthers: false,
      },
      expect.objectContaining({ client: undefined, secondsLeft: 0 }),
    ]);
  });

  it("is read without what is no ejection", () => {
    const wrong = [{ family: 5 }, { reason: 0 }, { reason: 9 }, { strikes: 0 }].map(entry);
    expect(decodeEjected(answer(...wrong))).toEqual([]);
  });

  it("of another form or version is refused", () => {
    const other = answer();
    other.writeUInt16LE(EJECT_VERSION + 1, 4);
    for (const bytes of [Buffer.alloc(3), other, answer(entry({}).subarray(1))]) {
      expect(() => decodeEjected(bytes)).toThrow(EjectedError);
    }
  });
});

describe("a list", () => {
  const PLACES = [1, 2, 3, 4, 5].map((last) => ({ address: `10.1.0.${last}`, port: 8080 }));

  function listOf(count: number, own: Partial<FrontendSettings> = {}) {
    return { backends: PLACES.slice(0, count), settings: { ...DEFAULT_SETTINGS, ...own } };
  }

  function ejectionsOf(...lasts: number[]): Ejection[] {
    return decodeEjected(answer(...lasts.map((last) => entry({ last, flags: EJECT_FOR_ALL }))));
  }

  function leftOut(places: number, ...lasts: number[]): string[] {
    const found = ejectedOf(listOf(places), ejectionsOf(...lasts));
    return [...found].filter(([, { isLeftOut }]) => isLeftOut).map(([place]) => place);
  }

  it("leaves out at most half, the first ejected, and none where all are", () => {
    expect(leftOut(5, 3)).toEqual(["10.1.0.3:8080"]);
    expect(leftOut(5, 3, 1, 2)).toEqual(["10.1.0.3:8080", "10.1.0.1:8080"]);
    expect(leftOut(3, 1, 2)).toEqual(["10.1.0.1:8080"]);
    expect(leftOut(2, 2, 1)).toEqual([]);
    expect(leftOut(1, 1)).toEqual([]);
    expect(leftOut(2, 5, 4)).toEqual([]);
  });

  it("that fails over leaves out all that are ejected, unless that is all", () => {
    const out = (count: number, ...lasts: number[]) => {
      const list = listOf(count, { balancing: "failover" });
      const found = [...ejectedOf(list, ejectionsOf(...lasts)).values()];
      return found.filter(({ isLeftOut }) => isLeftOut).length;
    };
    expect(out(5, 3, 1, 2, 4)).toBe(4);
    expect(out(3, 1, 2, 3)).toBe(0);
  });

  it("of a Service without ejection has none", () => {
    expect(ejectedOf(listOf(5, { ejection: false }), ejectionsOf(1)).size).toBe(0);
  });

  it("has a client's own only for that client", () => {
    const own = decodeEjected(answer(entry({})));
    expect([...ejectedOf(listOf(5), own).keys()]).toEqual([]);
    expect([...ejectedOf(listOf(5), own, "10.2.0.8").keys()]).toEqual([]);
    expect([...ejectedOf(listOf(5), own, "10.2.0.9").keys()]).toEqual(["10.1.0.1:8080"]);
  });

  it("is told in words", () => {
    const words = (own: Written, places = 5) => {
      const found = ejectedOf(listOf(places), decodeEjected(answer(entry(own))), "10.2.0.9");
      return [...found.values()].map(ejectionText);
    };
    const flags = EJECT_FOR_ALL;
    expect(words({ flags })).toEqual(["ejected, 3 s left: connection refused"]);
    expect(words({ reason: 2 })).toEqual([
      "ejected for 10.2.0.9 alone, 3 s left: no answer in time",
    ]);
    expect(words({ flags: flags | EJECT_PROBED, reason: 3 })).toEqual([
      "ejected, one connection tries it now: no route to it",
    ]);
    expect(words({ flags, until: 2n })).toEqual([
      "failed: connection refused; the next connection tries it",
    ]);
    expect(words({ flags }, 1)).toEqual([
      "ejected, 3 s left: connection refused; picked all the same, since half of the list or " +
        "more fails",
    ]);
  });
});
