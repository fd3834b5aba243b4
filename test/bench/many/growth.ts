// One peer and how many connections at once → what they cost at each of these steps.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Peer } from "../connections/peer.ts";
import { Holder } from "../load/holder.ts";
import type { LoadPrograms } from "../load/programs.ts";
import { cpuMicroseconds, residentBytes, settledCpuMicroseconds } from "../process-cost.ts";
import { progress } from "../progress.ts";

export interface Step {
  peer: string;
  open: number;
  /** Undefined where there is none. */
  proxy: ProxyStep | undefined;
  /** By how much the kernel's own memory has grown since there were none, sockets of all ends. */
  kernelBytes: number;
  /** Of one request on each connection, one after the other. */
  latencyUs: { p50: number; p99: number };
  /** Connections that were not answered. */
  lost: number;
}

interface ProxyStep {
  residentBytes: number;
  /** Since there were none. */
  grownBytes: number;
  descriptors: number;
  /** CPU time, µs. */
  newUs: number;
  requestUs: number;
}

/** CPU for a new connection is measured on that many more, which are closed again. */
const NEW_CONNECTIONS = 500;
/** Before anything is measured. Few: a proxy keeps the memory of those that have ended. */
const FIRST_CONNECTIONS = 10;
/** The kernel frees sockets and conntrack entries a little later. */
const SETTLES_MS = 500;

/** Opens more and more connections; all are closed at the end. */
export async function growthOf(
  peer: Peer,
  programs: LoadPrograms,
  steps: readonly number[],
): Promise<Step[]> {
  const { pid, stand, target } = peer;
  const holder = new Holder(programs, stand.client, target);
  try {
    // What a first connection allocates once is not the connection's.
    await holder.open(FIRST_CONNECTIONS);
    await holder.close(FIRST_CONNECTIONS);
    await delay(SETTLES_MS);
    const none = { kernel: kernelBytes(), proxy: pid === undefined ? undefined : stateOf(pid) };
    const all: Step[] = [];
    let present = 0;
    for (const open of steps) {
      progress(`${peer.name}: ${open} connections`);
      const { failures } = await holder.open(open - present);
      present = open;
      await delay(SETTLES_MS);
      const kernel = kernelBytes() - none.kernel;
      const now = pid === undefined ? undefined : stateOf(pid);
      const cost = await costOf(pid, holder, open);
      const proxy =
        now && none.proxy && cost.newUs !== undefined && cost.requestUs !== undefined
          ? {
              residentBytes: now.residentBytes,
              grownBytes: now.residentBytes - none.proxy.residentBytes,
              descriptors: now.descriptors - none.proxy.descriptors,
              newUs: cost.newUs,
              requestUs: cost.requestUs,
            }
          : undefined;
      const lost = failures + cost.lost;
      all.push({ peer: peer.name, open, proxy, kernelBytes: kernel, ...cost.asked, lost });
    }
    return all;
  } finally {
    await holder.end();
  }
}

async function costOf(pid: number | undefined, holder: Holder, open: number) {
  const timed = async <T>(what: () => Promise<T>, count: number) => {
    const before = pid === undefined ? 0 : cpuMicroseconds(pid);
    const result = await what();
    const spent = pid === undefined ? 0 : (await settledCpuMicroseconds(pid)) - before;
    return { result, us: pid === undefined ? undefined : spent / count };
  };
  const asked = await timed(() => holder.ask(), open);
  // At the last step there may be no room for more: then some of those that are open make place.
  await holder.close(Math.min(open, NEW_CONNECTIONS));
  await delay(SETTLES_MS);
  const opened = await timed(() => holder.open(NEW_CONNECTIONS), NEW_CONNECTIONS);
  const surplus = opened.result.open - open;
  if (surplus > 0) await holder.close(surplus);
  return {
    asked: { latencyUs: asked.result.latencyUs },
    lost: asked.result.lost + opened.result.failures,
    requestUs: asked.us,
    newUs: opened.us,
  };
}

function stateOf(pid: number) {
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  return { residentBytes: residentBytes(pid), descriptors };
}

/** Slab (sockets, conntrack, epoll) and socket buffers of the whole machine. */
function kernelBytes(): number {
  const kibibytes = /^Slab:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return Number(kibibytes) * 1_024;
}
