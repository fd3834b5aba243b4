// Which backend got a trial connection: while it is open, Envoy has a connection to that backend
// that was not there before. Reads the node's own list of sockets. Others may connect at the same
// time, so it reports a backend only when it is certain. Envoy accepts its client before a backend
// has accepted Envoy: so which backends have not answered is reported too.

import { readFile } from "node:fs/promises";
import ipaddr from "ipaddr.js";
import type { Explanation } from "../explain/explanation.ts";
import { addressAndPort } from "../model/ip.ts";

/** How often the list is read while the connection is open. */
const READ_MS = 100;

/** Of tcp_states.h. */
const TCP_ESTABLISHED = "01";
const TCP_SYN_SENT = "02";

/** A connection of this node, or the attempt at one. */
interface NodeSocket {
  /** The far end. */
  place: string;
  /** False while the far end has not answered. */
  isAccepted: boolean;
}

export interface ReachedBackends {
  /** The backend that accepted; undefined when none has, or when that is uncertain. */
  reached: string | undefined;
  /** Backends that have not answered, sorted; empty when any has accepted. */
  waitingFor: string[];
}

/** Watches while `made` is pending; resolves to its result, and the backends. */
export async function watchingBackends<T>(
  { from, to, backends }: Explanation,
  made: () => Promise<T>,
): Promise<ReachedBackends & { result: T }> {
  if (!to.endsWith("/TCP") || backends.length === 0) {
    return { result: await made(), reached: undefined, waitingFor: [] };
  }
  const file = to.startsWith("[") ? "/proc/net/tcp6" : "/proc/net/tcp";
  const places = new Set(backends.map(({ place }) => place));
  // A socket with the client's address here is Envoy's; others have the node's own address too.
  const isOfNode = from.kind === "host";
  const sources = [from.address, ...(isOfNode ? backends.map(({ source }) => source) : [])];
  const read = async () => openSockets(await readFile(file, "utf8"), new Set(sources));
  const before = await read();
  const seen = new Map<string, NodeSocket>();
  const look = async () => {
    for (const [ends, socket] of await read()) if (!before.has(ends)) seen.set(ends, socket);
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
  const own = [...seen.values()].filter(({ place }) => !isOfNode || places.has(place));
  return { result, ...reachedAmong(own) };
}

/** Sockets of one trial connection → what became of it. */
export function reachedAmong(sockets: readonly NodeSocket[]): ReachedBackends {
  const of = (isAccepted: boolean) => {
    const some = sockets.filter((socket) => socket.isAccepted === isAccepted);
    return [...new Set(some.map(({ place }) => place))].sort();
  };
  const [accepted, waitingFor] = [of(true), of(false)];
  if (accepted.length === 0) return { reached: undefined, waitingFor };
  return { reached: accepted.length === 1 ? accepted[0] : undefined, waitingFor: [] };
}

/** /proc/net/tcp or tcp6 → the connections from these addresses, by the text of both ends. */
export function openSockets(text: string, sources: ReadonlySet<string>): Map<string, NodeSocket> {
  const sockets = new Map<string, NodeSocket>();
  for (const line of text.split("\n").slice(1)) {
    const [, local = "", remote = "", state = ""] = line.trim().split(/\s+/);
    if (state !== TCP_ESTABLISHED && state !== TCP_SYN_SENT) continue;
    const [localAddress] = placeFrom(local);
    if (!sources.has(localAddress)) continue;
    const place = addressAndPort(...placeFrom(remote));
    sockets.set(`${local} ${remote}`, { place, isAccepted: state === TCP_ESTABLISHED });
  }
  return sockets;
}

/** "0B01010A:1F90" → 10.1.1.11, 8080: words of 32 bits, as the machine orders their bytes. */
function placeFrom(text: string): [address: string, port: number] {
  const [hex = "", port = "0"] = text.split(":");
  const words = Buffer.from(hex, "hex").swap32();
  return [ipaddr.fromByteArray([...words]).toString(), Number.parseInt(port, 16)];
}
