// A process → what it has cost so far, as the kernel counts it.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/**
 * CPU time that the threads of a process have had, µs, in user space and in the kernel (packets
 * that it sends are carried to their receiver on its time). A thread that ended takes its share
 * along. Finer than /proc/PID/stat, which counts ticks.
 */
export function cpuMicroseconds(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  let nanoseconds = 0;
  for (const thread of readdirSync(tasks)) {
    const [onCpu] = readFileSync(`${tasks}/${thread}/schedstat`, "utf8").split(" ");
    nanoseconds += Number(onCpu);
  }
  return nanoseconds / 1_000;
}

/** As cpuMicroseconds, once the process has come to rest: what is left to do is counted too. */
export async function settledCpuMicroseconds(pid: number): Promise<number> {
  const restMs = 20;
  const idleShare = 0.1;
  let before = cpuMicroseconds(pid);
  for (let attempt = 0; attempt < 25; attempt++) {
    await delay(restMs);
    const after = cpuMicroseconds(pid);
    if (after - before < restMs * 1_000 * idleShare) return after;
    before = after;
  }
  return before;
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** The most resident memory that a process ever had, bytes. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

function statusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/status has no ${field}`);
  return Number(kibibytes) * 1_024;
}
