// How many descriptors this process has left → a problem while they are too few to run nft and ip,
// and to answer. Looks once a second: no single part of the controller would always notice. Each
// part continues by itself when there are enough again.

import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "../system/clock.ts";
import { isShortage } from "../system/shortage.ts";

const EVERY_MS = 1_000;
/** A sync runs up to four programs at once; each takes eight descriptors while it starts. */
const FEW = 32;
/** The problem ends at this many, so that one more or less does not start and end it. */
const ENOUGH = 48;

export interface DescriptorsLeft {
  /** The soft limit (RLIMIT_NOFILE); undefined: no descriptor was left to read it with. */
  limit: number | undefined;
  left: number;
}

interface DescriptorWatchOptions {
  clock: Clock;
  /** Receives one sentence while there are too few, and none otherwise. */
  report: (problems: string[]) => void;
  read?: () => DescriptorsLeft;
}

/** Returns a function that stops it. */
export function watchDescriptors(options: DescriptorWatchOptions): () => void {
  const { clock, report, read = readDescriptors } = options;
  let isShort = false;
  let limit: number | undefined;
  let cancel = () => {};
  const look = () => {
    const found = read();
    limit = found.limit ?? limit;
    isShort = found.left < (isShort ? ENOUGH : FEW);
    report(isShort ? [sentence(limit)] : []);
    cancel = clock.after(EVERY_MS, look);
  };
  cancel = clock.after(EVERY_MS, look);
  return () => cancel();
}

function sentence(limit: number | undefined): string {
  const of = limit === undefined ? "" : ` of ${limit}`;
  return (
    `the controller has fewer than ${ENOUGH} file descriptors${of} left: changes may be late ` +
    "and requests may fail; raise the limit (LimitNOFILE=, ulimit -n), or find what holds " +
    `them: ls -l /proc/${process.pid}/fd`
  );
}

function readDescriptors(): DescriptorsLeft {
  let limit: number | undefined;
  try {
    const [, soft = ""] =
      /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    limit = soft === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(soft);
    // One of them is the open folder's.
    return { limit, left: limit - readdirSync("/proc/self/fd").length + 1 };
  } catch (error) {
    return { limit, left: isShortage(error) ? 0 : Number.MAX_SAFE_INTEGER };
  }
}
