// Which backend got a trial connection: while it is open, Envoy has a connection to that backend
// that was not there before. Reads the node's own list of sockets. Others may connect at the same
// time, so it reports a backend only when it is certain.

import { readFile } from "node:fs/promises";
import ipaddr from "ipaddr.js";
import type { Explanation } from "../explain/explanation.ts";
import { addressAndPort } from "../model/ip.ts";

/** How often the list is read while the connection is open. */
const READ_MS = 100;

/** TCP_ESTABLISHED and TCP_SYN_SENT of tcp_states.h. */
const OPEN_STATES = ["01", "02"];

/** Watches while `made` is pending; resolves to its result, and the backend. */
export async function watchingBackends<T>(
  { from, to, backends }: Explanation,
  made: () => Promise<T>,
): Promise<{ result: T; reached: string | undefined }> {
  if (!to.endsWith("/TCP") || backends.length === 0) {
    return { result: await made(), reached: undefined };
  }
  const file = to.startsWith("[") ? "/proc/net/tcp6" : "/proc/net/tcp";
  const places = new Set(backends.map(({ place }) => place));
  // A socket with the client's address here is Envoy's; others have the node's own address too.
  const isOfNode = from.kind === "host";
  const sources = [from.address, ...(isOfNode ? backends.map(({ source }) => source) : [])];
  const read = async () => openSockets(await readFile(file, "utf8"), new Set(sources));
  const before = await read();
  const seen = new Map<string, string>();
  const look = async () => {
    for (const [socket, place] of await read()) if (!before.has(socket)) seen.set(socket, place);
  };
  let isPending = true;
  const pending = made().finally(() => {
    isPending = false;
  });
  const watch = async () => {
    while (isPending) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, READ_MS));
    }
  };
  const [result] = await Promise.all([pending, watch()]);
  const reached = [...new Set(seen.values())].filter((place) => !isOfNode || places.has(place));
  return { result, reached: reached.length === 1 ? reached[0] : undefined };
}

/** /proc/net/tcp or tcp6 → the open connections from these addresses: both ends → the far one. */
export function openSockets(text: string, sources: ReadonlySet<string>): Map<string, string> {
  const sockets = new Map<string, string>();
  for (const line of text.split("\n").slice(1)) {
    const [, local = "", remote = "", state = ""] = line.trim().split(/\s+/);
    if (!OPEN_STATES.includes(state)) continue;
    const [localAddress] = placeFrom(local);
    if (!sources.has(localAddress)) continue;
    sockets.set(`${local} ${remote}`, addressAndPort(...placeFrom(remote)));
  }
  return sockets;
}

/** "0B01010A:1F90" → 10.1.1.11, 8080: words of 32 bits, as the machine orders their bytes. */
function placeFrom(text: string): [address: string, port: number] {
  const [hex = "", port = "0"] = text.split(":");
  const words = Buffer.from(hex, "hex").swap32();
  return [ipaddr.fromByteArray([...words]).toString(), Number.parseInt(port, 16)];
}
