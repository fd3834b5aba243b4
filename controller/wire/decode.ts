// A frame's bytes → its content. For frames that Envoy dumped and for tests; the plugin has its own
// decoder. Checks shape and bounds, not order or limits.

import {
  BACKEND_FLAG_LOCAL,
  BACKEND_FLAG_PREFERRED,
  BACKEND_IPV4_BYTES,
  BACKEND_IPV6_BYTES,
  FRAME_BASE_VERSION_OFFSET,
  FRAME_BUCKET_COUNT_OFFSET,
  FRAME_FIRST_BUCKET_OFFSET,
  FRAME_HEADER_BYTES,
  FRAME_KIND_OFFSET,
  FRAME_KIND_SNAPSHOT,
  FRAME_MAGIC,
  FRAME_REMOVAL_COUNT_OFFSET,
  FRAME_UPSERT_COUNT_OFFSET,
  FRAME_VERSION_OFFSET,
  FRAME_WIRE_VERSION_OFFSET,
  KEY_BYTES,
  KIND_CLUSTER_IP,
  KIND_EXTERNAL_IP,
  KIND_LOAD_BALANCER,
  KIND_NODE_PORT,
  OPTION_NO_EJECTION,
  RECORD_AFFINITY_OFFSET,
  RECORD_BACKEND_COUNT_OFFSET,
  RECORD_BALANCING_OFFSET,
  RECORD_FUNCTION_OFFSET,
  RECORD_HEADER_BYTES,
  RECORD_KEY_OFFSET,
  RECORD_KIND_OFFSET,
  RECORD_MAX_CONNECTIONS_OFFSET,
  RECORD_MAX_NEW_CONNECTIONS_OFFSET,
  RECORD_NAME_BYTES_OFFSET,
  RECORD_OPTIONS_OFFSET,
  WIRE_VERSION,
} from "../../plugin/wire/layout.ts";
import type { Balancing } from "../model/types.ts";
import type { Backend, FrontendKind, FrontendSettings } from "../node/types.ts";
import { readAddress } from "./address-bytes.ts";
import { BALANCING_NUMBERS } from "./encode.ts";
import { type BackendList, type FrontendIdentity, readKey } from "./key.ts";

/** One list of a frontend in the table: a Frontend without the kernel's verdict. */
export interface DecodedRecord extends FrontendIdentity {
  list: BackendList;
  kind: FrontendKind;
  namespace: string;
  service: string;
  portName: string;
  backends: Backend[];
  affinityTimeoutSeconds: number;
  settings: FrontendSettings;
  /** Of the function that picks; absent: none. */
  functionSlot?: number;
  /** Its bytes, a view into the frame. */
  bytes: Uint8Array;
  /** Its key alone, a view into the frame. */
  keyBytes: Uint8Array;
}

interface DecodedFrame {
  kind: "snapshot" | "delta";
  baseVersion: number;
  /** 0 in a dump of an incomplete table. */
  version: number;
  firstBucket: number;
  bucketCount: number;
  upserts: DecodedRecord[];
  removals: FrontendIdentity[];
}

const KINDS: Record<number, FrontendKind> = {
  [KIND_CLUSTER_IP]: "ClusterIP",
  [KIND_NODE_PORT]: "NodePort",
  [KIND_EXTERNAL_IP]: "ExternalIP",
  [KIND_LOAD_BALANCER]: "LoadBalancer",
};

/** The bytes are not a frame of this wire version. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const utf8 = new TextDecoder();

function decodeBackends(record: Uint8Array, count: number, isIPv4: boolean): Backend[] {
  const size = isIPv4 ? BACKEND_IPV4_BYTES : BACKEND_IPV6_BYTES;
  const view = viewOf(record);
  return Array.from({ length: count }, (_, index) => {
    const offset = RECORD_HEADER_BYTES + index * size;
    const flags = view.getUint8(offset + size - 2);
    const weight = view.getUint8(offset + size - 1);
    return {
      address: readAddress(record, offset, isIPv4 ? 4 : 16),
      port: view.getUint16(offset + size - 4, false),
      local: (flags & BACKEND_FLAG_LOCAL) !== 0,
      ...(weight > 0 && { weight }),
      ...((flags & BACKEND_FLAG_PREFERRED) !== 0 && { isPreferred: true }),
    };
  });
}

const BALANCINGS = new Map(
  Object.entries(BALANCING_NUMBERS).map(([name, number]) => [number, name as Balancing]),
);

function decodeSettings(view: DataView): FrontendSettings {
  return {
    balancing: BALANCINGS.get(view.getUint8(RECORD_BALANCING_OFFSET)) ?? "random",
    ejection: (view.getUint8(RECORD_OPTIONS_OFFSET) & OPTION_NO_EJECTION) === 0,
    maxConnections: view.getUint32(RECORD_MAX_CONNECTIONS_OFFSET, true),
    maxNewConnectionsPerSecond: view.getUint32(RECORD_MAX_NEW_CONNECTIONS_OFFSET, true),
  };
}

/** Decodes one record that fills `bytes` exactly. */
export function decodeRecord(bytes: Uint8Array): DecodedRecord {
  const view = viewOf(bytes);
  const identity = readKey(bytes, RECORD_KEY_OFFSET);
  const count = view.getUint32(RECORD_BACKEND_COUNT_OFFSET, true);
  const nameBytes = view.getUint16(RECORD_NAME_BYTES_OFFSET, true);
  const isIPv4 = identity.family === "IPv4";
  const backendBytes = isIPv4 ? BACKEND_IPV4_BYTES : BACKEND_IPV6_BYTES;
  if (bytes.length !== RECORD_HEADER_BYTES + count * backendBytes + nameBytes) {
    throw new FrameError(`record of ${bytes.length} bytes cannot have ${count} backends`);
  }
  const named = view.getUint16(RECORD_FUNCTION_OFFSET, true);
  const names = utf8.decode(bytes.subarray(bytes.length - nameBytes)).split("\0");
  return {
    ...identity,
    kind: KINDS[view.getUint8(RECORD_KIND_OFFSET)] ?? "ClusterIP",
    namespace: names[0] ?? "",
    service: names[1] ?? "",
    portName: names[2] ?? "",
    backends: decodeBackends(bytes, count, isIPv4),
    affinityTimeoutSeconds: view.getUint32(RECORD_AFFINITY_OFFSET, true),
    settings: decodeSettings(view),
    ...(named > 0 && { functionSlot: named - 1 }),
    bytes,
    keyBytes: bytes.subarray(RECORD_KEY_OFFSET, RECORD_KEY_OFFSET + KEY_BYTES),
  };
}

function decodeUpserts(
  frame: Uint8Array,
  count: number,
): { upserts: DecodedRecord[]; end: number } {
  const view = viewOf(frame);
  const upserts: DecodedRecord[] = [];
  let offset = FRAME_HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const room = frame.length - offset;
    const size = room < RECORD_HEADER_BYTES ? 0 : view.getUint32(offset, true);
    if (size < RECORD_HEADER_BYTES || size > room) {
      throw new FrameError(`record ${i} at byte ${offset} is cut short (${size} of ${room} bytes)`);
    }
    upserts.push(decodeRecord(frame.subarray(offset, offset + size)));
    offset += size;
  }
  return { upserts, end: offset };
}

/** Throws FrameError when the bytes are not a complete frame of this WIRE_VERSION. */
export function decodeFrame(frame: Uint8Array): DecodedFrame {
  if (frame.length < FRAME_HEADER_BYTES) throw new FrameError(`frame of ${frame.length} bytes`);
  const view = viewOf(frame);
  const wireVersion = view.getUint16(FRAME_WIRE_VERSION_OFFSET, true);
  if (view.getUint32(0, true) !== FRAME_MAGIC || wireVersion !== WIRE_VERSION) {
    throw new FrameError(`no frame of wire version ${WIRE_VERSION} (magic or ${wireVersion})`);
  }
  const { upserts, end } = decodeUpserts(frame, view.getUint32(FRAME_UPSERT_COUNT_OFFSET, true));
  const removalCount = view.getUint32(FRAME_REMOVAL_COUNT_OFFSET, true);
  if (end + removalCount * KEY_BYTES !== frame.length) {
    throw new FrameError(`${removalCount} removals do not fill ${frame.length - end} bytes`);
  }
  return {
    kind: view.getUint8(FRAME_KIND_OFFSET) === FRAME_KIND_SNAPSHOT ? "snapshot" : "delta",
    baseVersion: Number(view.getBigUint64(FRAME_BASE_VERSION_OFFSET, true)),
    version: Number(view.getBigUint64(FRAME_VERSION_OFFSET, true)),
    firstBucket: view.getUint32(FRAME_FIRST_BUCKET_OFFSET, true),
    bucketCount: view.getUint32(FRAME_BUCKET_COUNT_OFFSET, true),
    upserts,
    removals: Array.from({ length: removalCount }, (_, i) => readKey(frame, end + i * KEY_BYTES)),
  };
}
