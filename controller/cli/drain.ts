// The time between a Portico that captures nothing more and its end: for Envoy's connections to
// end by themselves, and for the kernel to forget the UDP flows that went through it.

import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openConnections } from "../../envoy/admin.ts";
import { ADMIN_SOCKET } from "../../envoy/bootstrap.ts";
import { SLOTS, slotDirectory } from "../../envoy/slots.ts";

const UDP_TIMEOUT = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream";
/** The kernel's own, in seconds. */
const DEFAULT_UDP_TIMEOUT = 120;
const POLL_MS = 500;
/** Errors of a socket that no Envoy listens on. */
const NOT_THERE = ["ENOENT", "ECONNREFUSED"];

export interface Drain {
  limitMs: number;
  /** Of every Envoy there may be. */
  adminSockets: readonly string[];
  tell: (line: string) => void;
}

/** Of the Envoy that serves, and of one that it has replaced. */
export async function adminSocketsIn(runDir: string): Promise<string[]> {
  const places = [runDir, ...SLOTS.map((slot) => slotDirectory(runDir, slot))];
  const sockets = places.map((place) => realpath(join(place, ADMIN_SOCKET)).catch(() => ""));
  return [...new Set(await Promise.all(sockets))].filter((path) => path !== "");
}

/** Resolves with true when nothing is left, with false after `limitMs`. */
export async function drained({ limitMs, adminSockets, tell }: Drain): Promise<boolean> {
  const begin = performance.now();
  const forgottenMs = (await udpTimeout()) * 1_000;
  let isTold = false;
  for (;;) {
    const open = await connectionsOfAll(adminSockets);
    const passedMs = performance.now() - begin;
    if (open === 0 && passedMs >= forgottenMs) return true;
    if (open === 0 && !isTold) {
      tell(
        `no connection is open; the kernel forgets the last UDP flows in ` +
          `${Math.ceil((forgottenMs - passedMs) / 1_000)} s (nf_conntrack_udp_timeout_stream)`,
      );
      isTold = true;
    }
    if (passedMs >= limitMs) {
      tell(leftOver(open, forgottenMs - passedMs));
      return false;
    }
    await sleep(Math.min(POLL_MS, limitMs - passedMs));
  }
}

function leftOver(open: number, missingMs: number): string {
  const udp =
    missingMs <= 0
      ? ""
      : `; a UDP client that goes on from its port may be unheard for ` +
        `${Math.ceil(missingMs / 1_000)} s (nf_conntrack_udp_timeout_stream)`;
  const which = Number.isNaN(open) ? "the" : open;
  return `the time is over, and ${which} connections through Envoy are open${udp}`;
}

/** Seconds for which the kernel may remember a UDP flow that is silent. */
async function udpTimeout(): Promise<number> {
  const text = await readFile(UDP_TIMEOUT, "utf8").catch(() => "");
  return Number.parseInt(text, 10) || DEFAULT_UDP_TIMEOUT;
}

/** That clients have; NaN when an Envoy is too busy to say. */
async function connectionsOfAll(adminSockets: readonly string[]): Promise<number> {
  const each = await Promise.all(adminSockets.map(connectionsAt));
  return each.reduce((sum, open) => sum + open, 0);
}

/** None where no Envoy listens, since a dead one has none. */
async function connectionsAt(adminSocket: string): Promise<number> {
  try {
    return (await openConnections(adminSocket)).tcp;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return NOT_THERE.includes(code) ? 0 : Number.NaN;
  }
}
