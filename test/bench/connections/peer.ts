// Something that carries connections from a client Pod to the backends of its stand.

import type { LoadPrograms } from "../load/programs.ts";
import { runLoad } from "../load/run.ts";
import { until } from "../until.ts";
import type { Stand } from "./stand.ts";

// To add a peer: a name here, a file that makes it, and its place in peers.ts.
export const PEER_NAMES = [
  ...(["direct", "envoy", "envoy-own-source", "haproxy", "portico"] as const),
  ...(["portico-one-attempt", "envoy-empty-filter", "portico-without-ejection"] as const),
  ...(["portico-least-connections", "portico-round-robin", "portico-client-hash"] as const),
  ...(["portico-uncounted", "portico-backends", "portico-flow-log", "portico-output"] as const),
  "kube-proxy",
] as const;
/** Those that are measured unless others are asked for; the rest cost Portico's extras. */
export const USUAL_PEERS = PEER_NAMES.slice(0, 5);
export type PeerName = (typeof PEER_NAMES)[number];

/** Portico as another checkout of this repository has it, as one more peer. */
export interface CheckoutPeer {
  name: string;
  /** Its root, where `npm ci` and `npm run build` have run. */
  directory: string;
}

export interface PeerOptions {
  stand: Stand;
  /** The program. */
  envoy: string;
  /** For configurations and run directories. */
  directory: string;
  /** Threads that carry connections, the same for every proxy. */
  workers: number;
  /** Services that the kernel, and Portico's table, hold besides the one that is dialled. */
  services: number;
}

export interface Peer {
  /** As samples and reports call it. */
  name: string;
  stand: Stand;
  /** What its client dials. */
  target: { address: string; port: number };
  /** The proxy's process; undefined where there is none. It ends with its stand. */
  pid: number | undefined;
  /** Ends what does not end with the stand; absent when that is nothing. */
  stop?: () => Promise<void>;
}

/**
 * Starts a proxy on the node of a stand; returns its pid. Each has a session of its own, as Envoy
 * has that Portico starts: Linux shares CPU time among sessions first (autogroup), so that a proxy
 * in the session of the load would get another share of it.
 */
export function startProxy(stand: Stand, program: string, args: readonly string[]): number {
  const child = stand.node.spawn("setsid", [program, ...args], { stdio: "inherit" });
  if (child.pid === undefined) throw new Error(`${program} does not start`);
  return child.pid;
}

/** Resolves once the peer carries a connection. */
export async function serving(peer: Peer, programs: LoadPrograms): Promise<void> {
  const one = { connections: 1, concurrency: 1, requestsEach: 1 };
  await until(`${peer.name} carries a connection`, async () => {
    const { failures } = await runLoad(programs, peer.stand.client, peer.target, one, 1);
    return failures === 0;
  });
}
