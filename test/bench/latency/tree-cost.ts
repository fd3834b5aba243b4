// A proxy's processes → the CPU time that they have had so far, those that have ended included.
//
// A living process: /proc/PID/task/*/schedstat (nanoseconds). Children that have ended and were
// waited for (nft, ip): cutime and cstime of their parent's /proc/PID/stat, whose clock ticks are
// 10 ms but sum up exactly; so a single figure is off by up to a tick, their sum is not.

import { readdirSync, readFileSync } from "node:fs";
import { cpuMicroseconds } from "../process-cost.ts";

const TICK_US = 10_000;
/** Fields of /proc/PID/stat, counted from the one after the command's name. */
const PARENT = 1;
const [CHILDREN_USER, CHILDREN_SYSTEM] = [13, 14];

/** CPU time, µs. */
export interface TreeCost {
  main: number;
  envoy: number;
  /** Other children, whether they live or not. */
  children: number;
}

/** `envoy` is undefined for a proxy that has none. */
export function treeCost(main: number, envoy: number | undefined): TreeCost {
  const stats = allStats();
  const descendants = descendantsOf(main, stats).filter((pid) => pid !== envoy);
  const ended = [main, ...descendants].map((pid) => endedChildrenUs(stats.get(pid) ?? []));
  const living = descendants.map(cpuUnlessEnded);
  return {
    main: cpuUnlessEnded(main),
    envoy: envoy === undefined ? 0 : cpuUnlessEnded(envoy),
    children: [...ended, ...living].reduce((sum, each) => sum + each, 0),
  };
}

export function difference(after: TreeCost, before: TreeCost): TreeCost {
  return {
    main: after.main - before.main,
    envoy: after.envoy - before.envoy,
    children: after.children - before.children,
  };
}

export function sum({ main, envoy, children }: TreeCost): number {
  return main + envoy + children;
}

function allStats(): Map<number, readonly string[]> {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return new Map(pids.map((pid) => [Number(pid), statOf(pid)]));
}

/** Empty when it has ended meanwhile. */
function statOf(pid: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function descendantsOf(pid: number, stats: Map<number, readonly string[]>): number[] {
  const children = [...stats].filter(([, stat]) => Number(stat[PARENT]) === pid);
  return children.flatMap(([child]) => [child, ...descendantsOf(child, stats)]);
}

function endedChildrenUs(stat: readonly string[]): number {
  const ticks = Number(stat[CHILDREN_USER] ?? 0) + Number(stat[CHILDREN_SYSTEM] ?? 0);
  return ticks * TICK_US;
}

/** A child that has ended since it was seen is counted with its parent's the next time. */
function cpuUnlessEnded(pid: number): number {
  try {
    return cpuMicroseconds(pid);
  } catch {
    return 0;
  }
}
