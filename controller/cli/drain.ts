// The time between the end of capturing and the end of Portico: Envoy's connections end by
// themselves, and the kernel forgets the UDP flows that went through it.

import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openConnections } from "../../envoy/admin.ts";
import { ADMIN_SOCKET } from "../../envoy/bootstrap.ts";
import { SLOTS, slotDirectory } from "../../envoy/slots.ts";

const UDP_TIMEOUT = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream";
/** The kernel's default, in seconds. */
const DEFAULT_UDP_TIMEOUT = 120;
const POLL_MS = 500;
/** Errors of a socket that no Envoy listens on. */
const NOT_THERE = ["ENOENT", "ECONNREFUSED"];

interface Drain {
  limitMs: number;
  /** Of every Envoy there may be. */
  adminSockets: readonly string[];
  tell: (line: string) => void;
}

/** Returns those of the Envoy that serves, and of one that it has replaced. */
export async function adminSocketsIn(runDir: string): Promise<string[]> {
  const places = [runDir, ...SLOTS.map((slot) => slotDirectory(runDir, slot))];
  const sockets = places.map((place) => realpath(join(place, ADMIN_SOCKET)).catch(() => ""));
  return [...new Set(await Promise.all(sockets))].filter((path) => path !== "");
}

/** Resolves to true when nothing is left, to false after `limitMs`. */
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
      : "; UDP clients that keep their source port may get no answer for " +
        `${Math.ceil(missingMs / 1_000)} s (nf_conntrack_udp_timeout_stream)`;
  const which = Number.isNaN(open) ? "the" : open;
  return `time limit reached: ${which} connections through Envoy are open${udp}`;
}

/** Returns the seconds for which the kernel may remember a silent UDP flow. */
async function udpTimeout(): Promise<number> {
  const text = await readFile(UDP_TIMEOUT, "utf8").catch(() => "");
  return Number.parseInt(text, 10) || DEFAULT_UDP_TIMEOUT;
}

/** Returns the number of clients' connections; NaN when an Envoy is too busy to answer. */
async function connectionsOfAll(adminSockets: readonly string[]): Promise<number> {
  const each = await Promise.all(adminSockets.map(connectionsAt));
  return each.reduce((sum, open) => sum + open, 0);
}

/** Returns 0 where no Envoy listens, since a dead one has no connections. */
async function connectionsAt(adminSocket: string): Promise<number> {
  try {
    return (await openConnections(adminSocket)).tcp;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return NOT_THERE.includes(code) ? 0 : Number.NaN;
  }
}
