// ServicePort → its service id: 8 bytes by which the plugin recognises the frontends that share one
// session affinity (cluster IP, node port and load balancer addresses, in both families), and by
// which it counts.

import { hash } from "node:crypto";
import type { Frontend } from "../node/types.ts";

const SERVICE_ID_BYTES = 8;

type ServicePortIdentity = Pick<Frontend, "namespace" | "service" | "portName" | "protocol">;

/** Writes the first bytes of a SHA-256 at offset: two ServicePorts never share them by accident. */
export function writeServiceId(of: ServicePortIdentity, bytes: Uint8Array, offset: number): void {
  const name = [of.namespace, of.service, of.portName, of.protocol].join("\0");
  bytes.set(hash("sha256", name, "buffer").subarray(0, SERVICE_ID_BYTES), offset);
}

/** Returns the same as 16 hex digits. */
export function serviceIdOf(of: ServicePortIdentity): string {
  const bytes = Buffer.alloc(SERVICE_ID_BYTES);
  writeServiceId(of, bytes, 0);
  return bytes.toString("hex");
}
