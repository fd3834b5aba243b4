// The identity of a ServicePort in 8 bytes, by which the plugin knows the frontends that share one
// session affinity: their cluster IP, node port and load balancer addresses, in both families.

import { hash } from "node:crypto";
import type { Frontend } from "../node/types.ts";

const SERVICE_PORT_BYTES = 8;

export type ServicePortIdentity = Pick<Frontend, "namespace" | "service" | "portName" | "protocol">;

/** Writes the first bytes of a SHA-256 at offset: two ServicePorts never share them by accident. */
export function writeServicePort(of: ServicePortIdentity, bytes: Uint8Array, offset: number): void {
  const name = [of.namespace, of.service, of.portName, of.protocol].join("\0");
  bytes.set(hash("sha256", name, "buffer").subarray(0, SERVICE_PORT_BYTES), offset);
}

/** The same as 16 hex digits. */
export function servicePortId(of: ServicePortIdentity): string {
  const bytes = Buffer.alloc(SERVICE_PORT_BYTES);
  writeServicePort(of, bytes, 0);
  return bytes.toString("hex");
}
