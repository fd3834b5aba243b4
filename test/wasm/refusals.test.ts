// Every way a frame can be wrong, each with the words that say what, how much and where.

import { beforeEach, describe, expect, it } from "vitest";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { BUCKET_COUNT, RECORD_HEADER_BYTES } from "../../plugin/wire/layout.ts";
import { WasmHost } from "./host.ts";
import { frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";

let host: WasmHost;
beforeEach(async () => {
  host = await WasmHost.load(PLUGIN);
  host.pushAll(snapshot([], 8));
});

const ONE = snapshot([frontend(1)], 9)[0] as Uint8Array;
const TWO = snapshot([frontend(1), frontend(2)], 9)[0] as Uint8Array;
const DELTA = deltaFrame(
  {
    upserts: [record(frontend(1))],
    removals: [frontend(2), frontend(3)].map((each) => keyBytesFromFrontend(each)),
  },
  8,
  9,
);
const RECORD = 40;
const KEY = RECORD + 4;
const BACKENDS = RECORD + RECORD_HEADER_BYTES;
const REMOVALS = RECORD + record(frontend(1)).length;

/** The frame with bytes written over it. */
function changed(frame: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = Uint8Array.from(frame);
  copy.set(bytes, at);
  return copy;
}

/** The frame with two pieces of it exchanged, each `size` bytes long. */
function swapped(frame: Uint8Array, a: number, b: number, size: number): Uint8Array {
  const copy = Uint8Array.from(frame);
  copy.set(frame.subarray(a, a + size), b);
  copy.set(frame.subarray(b, b + size), a);
  return copy;
}

const last = record(frontend(1)).length - "shop\0web-1\0http".length;

it.each<[string, Uint8Array, string]>([
  ["empty", new Uint8Array(0), "frame is cut short, bytes: 0, at byte 0"],
  ["shorter than a header", ONE.subarray(0, 39), "frame is cut short, bytes: 39, at byte 0"],
  ["no frame", changed(ONE, 0, 0), "magic number is 1329812480, at byte 0"],
  ["of another wire version", changed(ONE, 4, 1), "wire version is not the plugin's: 1, at byte 4"],
  ["of no kind", changed(ONE, 6, 3), "kind of frame is unknown: 3, at byte 6"],
  ["with a reserved byte", changed(ONE, 7, 1), "reserved byte is 1, at byte 7"],
  ["a snapshot with a base", changed(ONE, 8, 1), "snapshot's base version is 1, at byte 8"],
  ["of version 0", changed(ONE, 16, 0), "version is 0 or over 2^53 - 1: 0, at byte 16"],
  [
    "of a version beyond JSON",
    changed(ONE, 16, 0, 0, 0, 0, 0, 0, 32, 0),
    "version is 0 or over 2^53 - 1: 9007199254740992, at byte 16",
  ],
  ["beginning after the end", changed(ONE, 24, 0, 64), "first bucket is 16384, at byte 24"],
  ["with no bucket", changed(ONE, 28, 0, 0), "bucket count is 0, at byte 28"],
  ["with a bucket too many", changed(ONE, 24, 1), "bucket count is 16384, at byte 28"],
  ["a snapshot with removals", changed(ONE, 36, 1), "snapshot's removal count is 1, at byte 36"],
  [
    "a delta to where it is",
    deltaFrame({ upserts: [], removals: [] }, 8, 8),
    "base version is 0 or not below the version: 8, at byte 8",
  ],
  ["a delta with a bucket", changed(DELTA, 24, 1), "delta's first bucket is 1, at byte 24"],
  ["a delta with buckets", changed(DELTA, 28, 1), "delta's bucket count is 1, at byte 28"],
  ["with fewer records than told", changed(ONE, 32, 2), "record is cut short, bytes left: 0"],
  ["with more bytes than told", changed(ONE, 32, 0), "bytes after the end of the frame: 99"],
  ["with its last byte cut", ONE.subarray(0, -1), "record bytes do not fit its content: 99"],
  ["with a record too long", changed(ONE, RECORD, 255), "record bytes do not fit its content: 255"],
  ["with a family", changed(ONE, KEY, 5), "address family is not 4 or 6: 5, at byte 44"],
  ["with a bit too many", changed(ONE, KEY, 0x44), "address family is not 4 or 6: 68, at byte 44"],
  ["with a protocol", changed(ONE, KEY + 1, 1), "protocol is not 6, 17 or 132: 1, at byte 45"],
  ["with port 0", changed(ONE, KEY + 2, 0, 0), "port is 0, at byte 46"],
  ["with a long IPv4", changed(ONE, KEY + 9, 1), "bytes after an IPv4 address are not 0: 256"],
  ["with a frontend's kind", changed(ONE, RECORD + 24, 5), "kind of frontend is unknown: 5"],
  ["with flags", changed(ONE, RECORD + 25, 1), "record's flags are not 0: 1, at byte 65"],
  ["with a stamp", changed(ONE, RECORD + 32, 1), "record's stamp is not 0: 1, at byte 72"],
  ["with no balancing", changed(ONE, RECORD + 48, 0), "balancing is unknown: 0, at byte 88"],
  ["with a balancing", changed(ONE, RECORD + 48, 7), "balancing is unknown: 7, at byte 88"],
  ["with options", changed(ONE, RECORD + 49, 2), "record's options are 2, at byte 89"],
  [
    "with a function",
    changed(ONE, RECORD + 50, 1, 4),
    "function 1025 is over MAX_FUNCTIONS (1024), at byte 90",
  ],
  [
    "with long names",
    changed(ONE, RECORD + 26, 0, 1),
    "name bytes 256 is over MAX_NAME_BYTES (255), at byte 66",
  ],
  ["with a backend's port 0", changed(ONE, BACKENDS + 4, 0, 0), "backend's port is 0, at byte 100"],
  ["with a backend's flags", changed(ONE, BACKENDS + 6, 4), "backend's flags are 4, at byte 100"],
  [
    "with backends out of order",
    swapped(ONE, BACKENDS, BACKENDS + 8, 8),
    "backends are not in ascending order, index 1, at byte 108",
  ],
  [
    "with a backend twice",
    changed(ONE, BACKENDS + 8, ...ONE.subarray(BACKENDS, BACKENDS + 6)),
    "backends are not in ascending order, index 1, at byte 108",
  ],
  [
    "with names that do not end",
    changed(ONE, RECORD + last + 4, 1),
    `separators in the names are not 2: 1, at byte ${RECORD + last}`,
  ],
  [
    "with records out of order",
    swapped(TWO, RECORD, RECORD + (TWO.length - RECORD) / 2, (TWO.length - RECORD) / 2),
    "record is out of order, or not in the frame's buckets; bucket",
  ],
  [
    "with a record twice",
    changed(TWO, RECORD + (TWO.length - RECORD) / 2, ...TWO.subarray(RECORD, KEY + 20)),
    "records are not in ascending order, index 1",
  ],
  [
    "with removals out of order",
    swapped(DELTA, REMOVALS, REMOVALS + 20, 20),
    "removals are not in ascending order, index 1",
  ],
  [
    "with a removal of an upsert",
    deltaFrame(
      { upserts: [record(frontend(1))], removals: [keyBytesFromFrontend(frontend(1))] },
      8,
      9,
    ),
    "key is both upserted and removed, index 0",
  ],
  ["with a wrong removal", changed(DELTA, REMOVALS, 0), "address family is not 4 or 6: 0"],
  ["with a removal cut", DELTA.subarray(0, -1), "removal is cut short, bytes left: 19"],
])("refuses a frame %s", (_what, bytes, words) => {
  const before = host.shared.content();
  const answer = host.push(bytes);
  expect(answer.status).toBe(400);
  expect(answer.error).toContain(words);
  expect(host.shared.content()).toEqual(before);
  expect(host.counter("frames_refused")).toBe(1);
});

describe("a snapshot's record", () => {
  it("must be in a bucket of its frame", () => {
    const frames = snapshot([frontend(1)], 9, 1);
    const [whole] = frames as [Uint8Array];
    const view = new DataView(whole.buffer);
    let taken = 0;
    for (const [first, count] of [
      [0, BUCKET_COUNT],
      [0, 1],
      [0, BUCKET_COUNT / 2],
    ] as const) {
      view.setUint32(24, first, true);
      view.setUint32(28, count, true);
      const answer = host.push(whole);
      if (answer.status === 200) taken++;
      else expect(answer.error).toContain("not in the frame's buckets");
    }
    // Its bucket is in the upper half.
    expect(taken).toBe(1);
  });
});
