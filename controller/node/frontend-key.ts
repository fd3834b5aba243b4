// (address, port, protocol) ↔ the key that names a frontend everywhere in the controller.

import { addressAndPort } from "../model/ip.ts";
import type { Protocol } from "../model/types.ts";
import type { FrontendAddress, FrontendKey } from "./types.ts";

const KEY = /^\[?(?<address>[^\]]+?)\]?:(?<port>\d+)\/(?<protocol>TCP|UDP|SCTP)$/;

/** "10.96.0.10:80/TCP", "[fd00::a]:80/TCP". The address must be canonical. */
export function frontendKey(address: string, port: number, protocol: Protocol): FrontendKey {
  return `${addressAndPort(address, port)}/${protocol}`;
}

/**
 * For keys that come from outside as text, such as in the name of a listener. Undefined when the
 * text is not a key.
 */
export function frontendAddressFrom(key: string): FrontendAddress | undefined {
  const { address, port, protocol } = KEY.exec(key)?.groups ?? {};
  if (address === undefined) return undefined;
  const family = key.startsWith("[") ? "IPv6" : "IPv4";
  return { family, address, port: Number(port), protocol: protocol as Protocol };
}
