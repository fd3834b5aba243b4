// Records and keys → the frames that are pushed (plugin/wire/layout.ts): a snapshot as a sequence
// of small frames, a delta as one or several in sequence. Sorts; does not validate records.

import {
  BUCKET_COUNT,
  FRAME_BASE_VERSION_OFFSET,
  FRAME_BUCKET_COUNT_OFFSET,
  FRAME_FIRST_BUCKET_OFFSET,
  FRAME_HEADER_BYTES,
  FRAME_KIND_DELTA,
  FRAME_KIND_OFFSET,
  FRAME_KIND_SNAPSHOT,
  FRAME_MAGIC,
  FRAME_REMOVAL_COUNT_OFFSET,
  FRAME_UPSERT_COUNT_OFFSET,
  FRAME_VERSION_OFFSET,
  FRAME_WIRE_VERSION_OFFSET,
  KEY_BYTES,
  RECORD_KEY_OFFSET,
  WIRE_VERSION,
} from "../../plugin/wire/layout.ts";
import { bucketOfKey } from "./key.ts";

export interface Delta {
  /** Record bytes, in any order, each key once. */
  upserts: readonly Uint8Array[];
  /** Key bytes, in any order; none of them also in upserts. */
  removals: readonly Uint8Array[];
}

/** An item of a bucket: a record, or a removed key. */
interface Item {
  bucket: number;
  bytes: Uint8Array;
}

function sorted(list: readonly Uint8Array[], keyOffset: number): Item[] {
  const items = list.map((bytes) => ({ bucket: bucketOfKey(bytes, keyOffset), bytes }));
  return items.sort((a, b) => a.bucket - b.bucket || compareKeys(a.bytes, b.bytes, keyOffset));
}

function compareKeys(a: Uint8Array, b: Uint8Array, keyOffset: number): number {
  for (let i = keyOffset; i < keyOffset + KEY_BYTES; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

interface FrameHeader {
  kind: number;
  baseVersion: number;
  version: number;
  firstBucket: number;
  bucketCount: number;
}

function frame(header: FrameHeader, upserts: readonly Item[], removals: readonly Item[]) {
  const items = [...upserts, ...removals];
  const size = items.reduce((sum, item) => sum + item.bytes.length, FRAME_HEADER_BYTES);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, FRAME_MAGIC, true);
  view.setUint16(FRAME_WIRE_VERSION_OFFSET, WIRE_VERSION, true);
  view.setUint8(FRAME_KIND_OFFSET, header.kind);
  view.setBigUint64(FRAME_BASE_VERSION_OFFSET, BigInt(header.baseVersion), true);
  view.setBigUint64(FRAME_VERSION_OFFSET, BigInt(header.version), true);
  view.setUint32(FRAME_FIRST_BUCKET_OFFSET, header.firstBucket, true);
  view.setUint32(FRAME_BUCKET_COUNT_OFFSET, header.bucketCount, true);
  view.setUint32(FRAME_UPSERT_COUNT_OFFSET, upserts.length, true);
  view.setUint32(FRAME_REMOVAL_COUNT_OFFSET, removals.length, true);
  let offset = FRAME_HEADER_BYTES;
  for (const item of items) {
    bytes.set(item.bytes, offset);
    offset += item.bytes.length;
  }
  return bytes;
}

/**
 * Returns a delta frame from baseVersion to version. Everything in one frame: split a big delta
 * with splitDelta first.
 */
export function deltaFrame(delta: Delta, baseVersion: number, version: number): Uint8Array {
  const header = { kind: FRAME_KIND_DELTA, baseVersion, version, firstBucket: 0, bucketCount: 0 };
  return frame(header, sorted(delta.upserts, RECORD_KEY_OFFSET), sorted(delta.removals, 0));
}

/**
 * Yields deltas that together equal the given one, each of at most maxBytes where its records allow
 * (at least one record or key in each); at least one delta, which may be empty.
 */
export function* splitDelta(delta: Delta, maxBytes: number): Generator<Delta> {
  let part = { upserts: [] as Uint8Array[], removals: [] as Uint8Array[] };
  let bytes = FRAME_HEADER_BYTES;
  const all = [
    ...delta.upserts.map((upsert) => ({ kind: "upserts", item: upsert }) as const),
    ...delta.removals.map((removal) => ({ kind: "removals", item: removal }) as const),
  ];
  for (const { kind, item } of all) {
    if (bytes > FRAME_HEADER_BYTES && bytes + item.length > maxBytes) {
      yield part;
      part = { upserts: [], removals: [] };
      bytes = FRAME_HEADER_BYTES;
    }
    part[kind].push(item);
    bytes += item.length;
  }
  yield part;
}

/**
 * Yields the frames of a snapshot, in order: together they cover all buckets. Each ends with the
 * bucket that brings it to targetBytes, so that applying one blocks an Envoy worker only briefly.
 */
export function* snapshotFrames(
  records: readonly Uint8Array[],
  version: number,
  targetBytes: number,
): Generator<Uint8Array> {
  const items = sorted(records, RECORD_KEY_OFFSET);
  let firstBucket = 0;
  let first = 0;
  let bytes = FRAME_HEADER_BYTES;
  for (const [index, item] of items.entries()) {
    bytes += item.bytes.length;
    const next = items[index + 1];
    if (next === undefined || next.bucket === item.bucket || bytes < targetBytes) continue;
    const bucketCount = item.bucket + 1 - firstBucket;
    const header = { kind: FRAME_KIND_SNAPSHOT, baseVersion: 0, version, firstBucket, bucketCount };
    yield frame(header, items.slice(first, index + 1), []);
    firstBucket = item.bucket + 1;
    first = index + 1;
    bytes = FRAME_HEADER_BYTES;
  }
  const bucketCount = BUCKET_COUNT - firstBucket;
  const header = { kind: FRAME_KIND_SNAPSHOT, baseVersion: 0, version, firstBucket, bucketCount };
  yield frame(header, items.slice(first), []);
}
