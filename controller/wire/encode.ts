// Frontend → record bytes, one record for each of its lists, as the table keeps it
// (plugin/wire/layout.ts). A list over a limit gives a Problem and no bytes. frames.ts puts records
// into frames.

import {
  BACKEND_FLAG_LOCAL,
  BACKEND_FLAG_PREFERRED,
  BACKEND_IPV4_BYTES,
  BACKEND_IPV6_BYTES,
  BALANCING_CLIENT_HASH,
  BALANCING_FAILOVER,
  BALANCING_LEAST_CONNECTIONS,
  BALANCING_RANDOM,
  BALANCING_ROUND_ROBIN,
  BALANCING_WEIGHTED,
  KIND_CLUSTER_IP,
  KIND_EXTERNAL_IP,
  KIND_LOAD_BALANCER,
  KIND_NODE_PORT,
  MAX_BACKENDS,
  MAX_NAME_BYTES,
  OPTION_NO_EJECTION,
  RECORD_AFFINITY_OFFSET,
  RECORD_BACKEND_COUNT_OFFSET,
  RECORD_BALANCING_OFFSET,
  RECORD_BYTES_OFFSET,
  RECORD_FUNCTION_OFFSET,
  RECORD_HEADER_BYTES,
  RECORD_KEY_OFFSET,
  RECORD_KIND_OFFSET,
  RECORD_MAX_CONNECTIONS_OFFSET,
  RECORD_MAX_NEW_CONNECTIONS_OFFSET,
  RECORD_NAME_BYTES_OFFSET,
  RECORD_OPTIONS_OFFSET,
  RECORD_SERVICE_ID_OFFSET,
} from "../../plugin/wire/layout.ts";
import type { Balancing, Problem } from "../model/types.ts";
import type { Backend, Frontend, FrontendKind, FrontendSettings } from "../node/types.ts";
import { writeAddress } from "./address-bytes.ts";
import { type BackendList, writeKey } from "./key.ts";
import { writeServiceId } from "./service-id.ts";

const KIND_NUMBERS: Record<FrontendKind, number> = {
  ClusterIP: KIND_CLUSTER_IP,
  NodePort: KIND_NODE_PORT,
  ExternalIP: KIND_EXTERNAL_IP,
  LoadBalancer: KIND_LOAD_BALANCER,
};

export const BALANCING_NUMBERS: Record<Balancing, number> = {
  random: BALANCING_RANDOM,
  "least-connections": BALANCING_LEAST_CONNECTIONS,
  "round-robin": BALANCING_ROUND_ROBIN,
  "client-hash": BALANCING_CLIENT_HASH,
  weighted: BALANCING_WEIGHTED,
  failover: BALANCING_FAILOVER,
};

type Encoded =
  | { record: Uint8Array; problem?: undefined }
  | { record?: undefined; problem: Problem };

function overLimit(frontend: Frontend, what: string, limit: string, most: number): Encoded {
  const message = `${frontend.key}: ${what}, over ${limit} (${most}); the frontend is not served`;
  return { problem: { object: `Service ${frontend.namespace}/${frontend.service}`, message } };
}

/**
 * Writes a backend at offset; returns false when it does not follow the one before it in order,
 * which is in the `size` bytes before.
 */
function writeBackend(
  backend: Backend,
  bytes: Uint8Array,
  offset: number,
  size: number,
  first: boolean,
): boolean {
  writeAddress(backend.address, bytes, offset);
  const port = offset + size - 4;
  bytes[port] = backend.port >> 8;
  bytes[port + 1] = backend.port & 0xff;
  const local = backend.local ? BACKEND_FLAG_LOCAL : 0;
  bytes[port + 2] = local | (backend.isPreferred ? BACKEND_FLAG_PREFERRED : 0);
  bytes[port + 3] = backend.weight ?? 0;
  if (first) return true;
  for (let i = offset; i < port + 2; i++) {
    const difference = (bytes[i] ?? 0) - (bytes[i - size] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function writeBackends(
  frontend: Frontend,
  backends: readonly Backend[],
  bytes: Uint8Array,
  size: number,
): void {
  let offset = RECORD_HEADER_BYTES;
  for (const backend of backends) {
    if (!writeBackend(backend, bytes, offset, size, offset === RECORD_HEADER_BYTES)) {
      const found = `${backend.address} port ${backend.port}`;
      throw new Error(`backends of ${frontend.key} are not sorted, or repeated, at ${found}`);
    }
    offset += size;
  }
}

function writeSettings(settings: FrontendSettings, view: DataView): void {
  const { balancing, ejection, maxConnections, maxNewConnectionsPerSecond } = settings;
  view.setUint8(RECORD_BALANCING_OFFSET, BALANCING_NUMBERS[balancing]);
  view.setUint8(RECORD_OPTIONS_OFFSET, ejection ? 0 : OPTION_NO_EJECTION);
  view.setUint32(RECORD_MAX_CONNECTIONS_OFFSET, maxConnections, true);
  view.setUint32(RECORD_MAX_NEW_CONNECTIONS_OFFSET, maxNewConnectionsPerSecond, true);
}

const utf8 = new TextEncoder();

/**
 * Returns the bytes of one list's record, or the problem that keeps the frontend out of the table.
 * Throws when the backends are not as Frontend promises, which is a bug. `made`: records by their
 * lists; the frontends of a ServicePort share lists, whose bytes are then written once and copied.
 * `functionSlot`: of the function that picks, if there is one.
 */
export function recordFromFrontend(
  frontend: Frontend,
  list: BackendList = "cluster",
  made: Map<readonly Backend[], Uint8Array> = new Map(),
  functionSlot?: number,
): Encoded {
  const backends = list === "local" ? frontend.localBackends : frontend.backends;
  const count = backends.length;
  if (count > MAX_BACKENDS) {
    return overLimit(frontend, `${count} backends`, "MAX_BACKENDS", MAX_BACKENDS);
  }
  const names = utf8.encode(`${frontend.namespace}\0${frontend.service}\0${frontend.portName}`);
  if (names.length > MAX_NAME_BYTES) {
    return overLimit(frontend, `${names.length} name bytes`, "MAX_NAME_BYTES", MAX_NAME_BYTES);
  }
  const size = frontend.family === "IPv4" ? BACKEND_IPV4_BYTES : BACKEND_IPV6_BYTES;
  const record = new Uint8Array(RECORD_HEADER_BYTES + count * size + names.length);
  const view = new DataView(record.buffer);
  view.setUint32(RECORD_BYTES_OFFSET, record.length, true);
  writeKey(frontend, list, record, RECORD_KEY_OFFSET);
  writeServiceId(frontend, record, RECORD_SERVICE_ID_OFFSET);
  view.setUint8(RECORD_KIND_OFFSET, KIND_NUMBERS[frontend.kind]);
  view.setUint16(RECORD_NAME_BYTES_OFFSET, names.length, true);
  view.setUint32(RECORD_BACKEND_COUNT_OFFSET, count, true);
  view.setUint32(RECORD_AFFINITY_OFFSET, frontend.affinityTimeoutSeconds, true);
  writeSettings(frontend.settings, view);
  view.setUint16(RECORD_FUNCTION_OFFSET, functionSlot === undefined ? 0 : functionSlot + 1, true);
  const like = made.get(backends);
  const end = RECORD_HEADER_BYTES + count * size;
  if (like) record.set(like.subarray(RECORD_HEADER_BYTES, end), RECORD_HEADER_BYTES);
  else writeBackends(frontend, backends, record, size);
  made.set(backends, record);
  record.set(names, record.length - names.length);
  return { record };
}
