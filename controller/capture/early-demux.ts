// The sysctl net.ipv4.tcp_early_demux, for both families, off while Portico is on the node.
//
// With it on, the kernel looks whether a packet is for one of its own sockets before it routes it,
// and goes by addresses and ports alone. Envoy's connections in a Pod's name have that Pod's
// address, and perhaps the port of one of the Pod's own connections to the same endpoint
// (upstream-zone.ts): what the endpoint sends on that one would end in Envoy's socket, or be
// dropped, and never reach the Pod. No rule of the kernel's comes between. Off, what is forwarded
// costs less, and what is for the node itself is looked up after it was routed; Envoy's CPU per
// connection is the same (ARCHITECTURE.md).

import { readFile, rm, writeFile } from "node:fs/promises";
import { isShortage } from "../shortage.ts";

const SETTING = "net.ipv4.tcp_early_demux";
export const EARLY_DEMUX_FILE = "/proc/sys/net/ipv4/tcp_early_demux";

/**
 * Puts it off, and what it was into `record`, where nothing or an empty file is before. When that
 * cannot be done: a sentence that says what happens and what to do; none when all is well.
 */
export async function disableEarlyDemux(
  record: string,
  file = EARLY_DEMUX_FILE,
): Promise<string[]> {
  try {
    const before = (await readFile(file, "utf8")).trim();
    if (before === "0") return [];
    await writeFile(record, before);
    await writeFile(file, "0");
    return [];
  } catch (error) {
    // What could not be looked at is as it was.
    if (!isShortage(error)) await forget(record).catch(() => {});
    const { message } = error as Error;
    return [
      `${SETTING} cannot be set (${message}): a Pod's own connection to an endpoint breaks when ` +
        "Envoy happens to use the same port for it; set it to 0",
    ];
  }
}

/** Puts it back to what it was, unless somebody else did; returns what was undone, for people. */
export async function restoreEarlyDemux(record: string, file: string): Promise<string[]> {
  const before = await readFile(record, "utf8").catch(() => "");
  if (before === "") return [];
  const isOurs = (await readFile(file, "utf8")).trim() === "0";
  if (isOurs) await writeFile(file, before);
  await forget(record);
  return isOurs ? [`${SETTING} = 0, which was ${before}`] : [];
}

/** A record that is mounted into a container cannot be removed, but be empty. */
async function forget(record: string): Promise<void> {
  await rm(record, { force: true }).catch(() => writeFile(record, ""));
}
