// The addresses of this network namespace's interfaces.

import { networkInterfaces } from "node:os";
import { parseAddress } from "../model/ip.ts";

/** Canonical, sorted, each once; loopback and link-local ones too. */
export function interfaceAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  const canonical = all.map(({ address }) => parseAddress(address.replace(/%.*/, "")));
  return [...new Set(canonical.filter((address) => address !== undefined))].sort();
}
