// The addresses of this network namespace's interfaces.

import { networkInterfaces } from "node:os";
import { IN_LINK, OUT_LINK } from "../capture/policy-link.ts";
import { parseAddress } from "../model/ip.ts";

/**
 * Returns them canonical, sorted, each once. Includes loopback and link-local ones, but not those
 * of Portico's own links: no client should dial the node there. Throws when no descriptor is left
 * to ask with.
 */
export function interfaceAddresses(): string[] {
  const all = Object.entries(listed()).flatMap(([name, addresses = []]) =>
    name === IN_LINK || name === OUT_LINK ? [] : addresses,
  );
  const canonical = all.map(({ address }) => parseAddress(address.replace(/%.*/, "")));
  return [...new Set(canonical.filter((address) => address !== undefined))].sort();
}

/** Node's own error names neither the call nor the cause. */
function listed(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch (error) {
    throw new Error(`cannot list this node's addresses: ${(error as Error).message}`);
  }
}

/** Returns undefined when they cannot be read. */
export function presentAddresses(): string[] | undefined {
  try {
    return interfaceAddresses();
  } catch {
    return undefined;
  }
}
