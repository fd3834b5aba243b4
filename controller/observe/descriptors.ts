// How many descriptors this process has left → a problem while that is too few to run nft and ip,
// and to answer. Looks once a second: no part of the controller is the only one to notice, and each
// goes on by itself when there are some again.

import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { isShortage } from "../shortage.ts";

const EVERY_MS = 1_000;
/** A sync runs up to four programs at once, each with eight descriptors while it starts. */
const FEW = 32;
/** As many as this end the problem, so that one more or less does not begin and end it. */
const ENOUGH = 48;

export interface DescriptorsLeft {
  /** The soft limit (RLIMIT_NOFILE); undefined: there was none left to read it with. */
  limit: number | undefined;
  left: number;
}

interface DescriptorWatchOptions {
  clock: Clock;
  /** Gets one sentence while there are too few, and none otherwise. */
  report: (problems: string[]) => void;
  read?: () => DescriptorsLeft;
}

/** Returns what ends it. */
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
    `fewer than ${ENOUGH} descriptors${of} are left for the controller: changes may come late ` +
    "and questions stay unanswered; give it more (LimitNOFILE=, ulimit -n), or see " +
    `what holds them: ls -l /proc/${process.pid}/fd`
  );
}

function readDescriptors(): DescriptorsLeft {
  let limit: number | undefined;
  try {
    const [, soft = ""] =
      /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    limit = soft === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(soft);
    // One of them is the folder's own.
    return { limit, left: limit - readdirSync("/proc/self/fd").length + 1 };
  } catch (error) {
    return { limit, left: isShortage(error) ? 0 : Number.MAX_SAFE_INTEGER };
  }
}
