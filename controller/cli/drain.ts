// The time between a Portico that captures nothing more and its end: for Envoy's connections to
// end by themselves, and for the kernel to forget the UDP flows that went through it.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const UDP_TIMEOUT = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream";
/** The kernel's own, in seconds. */
const DEFAULT_UDP_TIMEOUT = 120;
const POLL_MS = 500;
const PATIENCE_MS = 5_000;
/** The capture listeners' statistics carry their address ("0.0.0.0_15401"), the table's a path. */
const CONNECTION_STATS = "^listener\\..*_\\d+\\.downstream_cx_active$";

export interface Drain {
  limitMs: number;
  adminSocket: string;
  tell: (line: string) => void;
}

/** Resolves when nothing is left, or after `limitMs`. */
export async function drained({ limitMs, adminSocket, tell }: Drain): Promise<void> {
  const begin = performance.now();
  const forgottenMs = (await udpTimeout()) * 1_000;
  for (;;) {
    const open = await openConnections(adminSocket);
    const passedMs = performance.now() - begin;
    if (open === 0 && passedMs >= forgottenMs) return;
    if (passedMs >= limitMs) return tell(leftOver(open, forgottenMs - passedMs));
    await sleep(Math.min(POLL_MS, limitMs - passedMs));
  }
}

function leftOver(open: number, missingMs: number): string {
  const udp =
    missingMs <= 0
      ? ""
      : `; a UDP client that goes on from its port may be unheard for ` +
        `${Math.ceil(missingMs / 1_000)} s (nf_conntrack_udp_timeout_stream)`;
  return `the time is over: ${open} connections through Envoy end now${udp}`;
}

/** Seconds for which the kernel may remember a UDP flow that is silent. */
async function udpTimeout(): Promise<number> {
  const text = await readFile(UDP_TIMEOUT, "utf8").catch(() => "");
  return Number.parseInt(text, 10) || DEFAULT_UDP_TIMEOUT;
}

/** That clients have; none when no Envoy answers, since a dead one has none. */
async function openConnections(adminSocket: string): Promise<number> {
  const path = `/stats?filter=${encodeURIComponent(CONNECTION_STATS)}`;
  const text = await bodyOf(adminSocket, path).catch(() => "");
  const values = [...text.matchAll(/: (\d+)$/gm)].map(([, value]) => Number(value));
  return values.reduce((sum, value) => sum + value, 0);
}

async function bodyOf(socketPath: string, path: string): Promise<string> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const asked = request({ socketPath, path, signal }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  return Buffer.concat(await response.toArray()).toString("utf8");
}
