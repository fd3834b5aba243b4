import { describe, expect, it } from "vitest";
import { BUCKET_COUNT, FRAME_HEADER_BYTES } from "../../plugin/wire/layout.ts";
import { notEmpty } from "../../test/not-empty.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Frontend } from "../node/types.ts";
import { decodeFrame, FrameError } from "./decode.ts";
import { recordFromFrontend } from "./encode.ts";
import { deltaFrame, snapshotFrames, splitDelta } from "./frames.ts";
import { bucketOfKey, keyBytesFromFrontend } from "./key.ts";

function frontend(index: number): Frontend {
  const address = `10.96.${index >> 8}.${index & 0xff}`;
  return {
    key: `${address}:80/TCP`,
    family: "IPv4",
    address,
    port: 80,
    protocol: "TCP",
    kind: "ClusterIP",
    namespace: "shop",
    service: `web-${index}`,
    portName: "",
    verdict: "keep",
    backends: [{ address: "10.1.0.1", port: 8080, local: false }],
    localBackends: [],
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
  };
}

function record(index: number): Uint8Array {
  return recordFromFrontend(frontend(index)).record as Uint8Array;
}

const RECORDS = Array.from({ length: 1000 }, (_, index) => record(index));

describe("a snapshot's frames", () => {
  const frames = [...snapshotFrames(RECORDS, 5, 8192)].map(decodeFrame);

  it("cover all buckets in order, without a gap", () => {
    let next = 0;
    for (const frame of frames) {
      expect(frame).toMatchObject({ kind: "snapshot", version: 5, firstBucket: next });
      next += frame.bucketCount;
    }
    expect(next).toBe(BUCKET_COUNT);
  });

  it("hold each record once, in its bucket, in order", () => {
    const buckets = frames.flatMap((frame) =>
      frame.upserts.map(({ keyBytes }) => {
        const bucket = bucketOfKey(keyBytes);
        expect(bucket).toBeGreaterThanOrEqual(frame.firstBucket);
        expect(bucket).toBeLessThan(frame.firstBucket + frame.bucketCount);
        return bucket;
      }),
    );
    expect(buckets).toHaveLength(RECORDS.length);
    expect(buckets).toEqual([...buckets].sort((a, b) => a - b));
  });

  it("are about as long as asked for, and the same for any order of records", () => {
    for (const bytes of notEmpty(snapshotFrames(RECORDS, 5, 8192), "frames")) {
      expect(bytes.length).toBeLessThan(8500);
    }
    const again = [...snapshotFrames([...RECORDS].reverse(), 5, 8192)];
    expect(again).toEqual([...snapshotFrames(RECORDS, 5, 8192)]);
  });

  it("are one when there is nothing", () => {
    const [only, ...rest] = [...snapshotFrames([], 1, 8192)];
    expect(only).toHaveLength(FRAME_HEADER_BYTES);
    expect(rest).toEqual([]);
  });
});

describe("a delta", () => {
  const delta = {
    upserts: RECORDS.slice(0, 100),
    removals: [200, 201, 202].map((index) => keyBytesFromFrontend(frontend(index))),
  };

  it("names both versions, and is the same for any order", () => {
    const frame = deltaFrame(delta, 7, 9);
    expect(decodeFrame(frame)).toMatchObject({ kind: "delta", baseVersion: 7, version: 9 });
    expect(
      decodeFrame(frame)
        .removals.map(({ address }) => address)
        .sort(),
    ).toEqual(["10.96.0.200", "10.96.0.201", "10.96.0.202"]);
    const { upserts, removals } = delta;
    const shuffled = { upserts: [...upserts].reverse(), removals: [...removals].reverse() };
    expect(deltaFrame(shuffled, 7, 9)).toEqual(frame);
  });

  it("splits into parts below a size that are the whole together", () => {
    const parts = [...splitDelta(delta, 1000)];
    for (const part of notEmpty(parts, "parts")) {
      expect(deltaFrame(part, 1, 2).length).toBeLessThanOrEqual(1000);
    }
    expect(parts.flatMap(({ upserts }) => upserts)).toEqual(delta.upserts);
    expect(parts.flatMap(({ removals }) => removals)).toEqual(delta.removals);
  });

  it("splits no record, and an empty one not at all", () => {
    expect([...splitDelta(delta, 1)]).toHaveLength(103);
    expect([...splitDelta({ upserts: [], removals: [] }, 1)]).toHaveLength(1);
  });
});

it("refuses to read what is no frame", () => {
  const frame = deltaFrame({ upserts: RECORDS.slice(0, 2), removals: [] }, 1, 2);
  for (let size = 0; size < frame.length; size++) {
    expect(() => decodeFrame(frame.subarray(0, size))).toThrow(FrameError);
  }
  expect(() => decodeFrame(new Uint8Array(200))).toThrow(FrameError);
});
