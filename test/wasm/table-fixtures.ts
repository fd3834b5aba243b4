// Frontends and frames for tests of the table.

import { join } from "node:path";
import { DEFAULT_SETTINGS } from "../../controller/node/frontend-settings.ts";
import type { Backend, Frontend } from "../../controller/node/types.ts";
import { recordFromFrontend } from "../../controller/wire/encode.ts";
import { snapshotFrames } from "../../controller/wire/frames.ts";
import type { BackendList } from "../../controller/wire/key.ts";

export const PLUGIN = join(import.meta.dirname, "../../build/portico.wasm");
export const FRAME_BYTES = 128 * 1024;

/** "10.1.0.1:8080", … as many as asked for, sorted. */
export function backends(count: number, subnet = 1): Backend[] {
  return Array.from({ length: count }, (_, index) => ({
    address: `10.${subnet}.${(index + 1) >> 8}.${(index + 1) & 0xff}`,
    port: 8080,
    local: index % 3 === 0,
  }));
}

/** The frontend of a Service "shop/web" at 10.96.<index>:80, unless said otherwise. */
export function frontend(index: number, own: Partial<Frontend> = {}): Frontend {
  const address = own.address ?? `10.96.${index >> 8}.${index & 0xff}`;
  const port = own.port ?? 80;
  const protocol = own.protocol ?? "TCP";
  const host = address.includes(":") ? `[${address}]` : address;
  return {
    key: `${host}:${port}/${protocol}`,
    family: address.includes(":") ? "IPv6" : "IPv4",
    address,
    port,
    protocol,
    kind: "ClusterIP",
    namespace: "shop",
    service: `web-${index}`,
    portName: "http",
    verdict: "keep",
    backends: backends(3),
    localBackends: [],
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
    ...own,
  };
}

/** The same, of a Service whose backends are picked although they fail. */
export function unejecting(of: Frontend): Frontend {
  return { ...of, settings: { ...of.settings, ejection: false } };
}

/** The record of a frontend's cluster list. */
export function record(of: Frontend): Uint8Array {
  return recordOf(of, "cluster");
}

export function localRecord(of: Frontend): Uint8Array {
  return recordOf(of, "local");
}

/** Of a list within limits. */
function recordOf(of: Frontend, list: BackendList): Uint8Array {
  const { record: bytes, problem } = recordFromFrontend(of, list);
  if (!bytes) throw new Error(problem.message);
  return bytes;
}

/** The records of all lists that a frontend has. */
export function records(of: Frontend): Uint8Array[] {
  return of.localBackends.length > 0 ? [record(of), localRecord(of)] : [record(of)];
}

/** Frames of a whole table. */
export function snapshot(
  frontends: readonly Frontend[],
  version: number,
  frameBytes = FRAME_BYTES,
): Uint8Array[] {
  return [...snapshotFrames(frontends.flatMap(records), version, frameBytes)];
}

/** "10.1.0.1:8080" as the filter state has it. */
export function backendText(backend: Backend): string {
  return `${backend.address}:${backend.port}`;
}
