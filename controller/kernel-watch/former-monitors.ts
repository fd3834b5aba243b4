// Ends the programs that a killed controller left running in this network namespace: they notice
// only at the next change that their reader is gone, which on a quiet node takes long.

import { readdir, readFile, readlink } from "node:fs/promises";

/** In the environment of every monitor of Portico, so that no other process is mistaken for one. */
export const MONITOR_MARK = "PORTICO_MONITOR";

/** Names of the executed files; nft has a name of its own (capture/named-nft.ts). */
const NAMES = /^(ip|nft|portico-nft)\n$/;

/**
 * Returns how many it ended. For the only controller of the namespace, before it starts its own;
 * skips processes that it cannot inspect.
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
    // It has ended meanwhile, or belongs to another user.
    return false;
  }
}
