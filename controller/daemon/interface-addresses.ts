// The addresses of this network namespace's interfaces.

import { networkInterfaces } from "node:os";
import { parseAddress } from "../model/ip.ts";

/**
 * Canonical, sorted, each once; loopback and link-local ones too. Throws when no descriptor is left
 * to ask with.
 */
export function interfaceAddresses(): string[] {
  const all = Object.values(listed()).flatMap((addresses = []) => addresses);
  const canonical = all.map(({ address }) => parseAddress(address.replace(/%.*/, "")));
  return [...new Set(canonical.filter((address) => address !== undefined))].sort();
}

/** What Node says of a failure names neither what was asked nor why. */
function listed(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch (error) {
    throw new Error(`cannot list this node's addresses: ${(error as Error).message}`);
  }
}

/** Undefined when they cannot be known. */
export function presentAddresses(): string[] | undefined {
  try {
    return interfaceAddresses();
  } catch {
    return undefined;
  }
}
