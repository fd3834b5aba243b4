// Ends what an earlier controller left running in this network namespace when it was killed: such
// programs notice that their reader is gone when they print the next change, which on a quiet node
// comes late.

import { readdir, readFile, readlink } from "node:fs/promises";

/** In the environment of every monitor of Portico's, so that no other process is taken for one. */
export const MONITOR_MARK = "PORTICO_MONITOR";

/** Names of the executed files; with a name of its own for nft (capture/named-nft.ts). */
const NAMES = /^(ip|nft|portico-nft)\n$/;

/**
 * Returns how many it ended. For the one controller of the namespace, before it starts its own;
 * what cannot be looked at is left.
 */
export async function endFormerMonitors(): Promise<number> {
  const namespace = await readlink("/proc/self/ns/net").catch(() => "");
  const names = await readdir("/proc").catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name));
  const ended = await Promise.all(pids.map((pid) => endIfFormer(pid, namespace)));
  return ended.filter((isEnded) => isEnded).length;
}

async function endIfFormer(pid: string, namespace: string): Promise<boolean> {
  const folder = `/proc/${pid}`;
  try {
    if (!NAMES.test(await readFile(`${folder}/comm`, "utf8"))) return false;
    if ((await readlink(`${folder}/ns/net`)) !== namespace) return false;
    const variables = (await readFile(`${folder}/environ`, "utf8")).split("\0");
    if (!variables.some((each) => each.startsWith(`${MONITOR_MARK}=`))) return false;
    process.kill(Number(pid), "SIGKILL");
    return true;
  } catch {
    // It has ended meanwhile, or is another user's.
    return false;
  }
}
