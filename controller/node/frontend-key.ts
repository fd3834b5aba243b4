// (address, port, protocol) → the key that names a frontend everywhere in the controller.

import { addressAndPort } from "../model/ip.ts";
import type { Protocol } from "../model/types.ts";
import type { FrontendKey } from "./types.ts";

/** "10.96.0.10:80/TCP", "[fd00::a]:80/TCP". The address must be canonical. */
export function frontendKey(address: string, port: number, protocol: Protocol): FrontendKey {
  return `${addressAndPort(address, port)}/${protocol}`;
}
