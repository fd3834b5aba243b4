// The sysctl net.ipv4.tcp_early_demux, for both families, off while Portico is on the node.
//
// With it on, the kernel looks up a packet's socket before it routes the packet, and looks at
// addresses and ports only. Envoy's connections in a Pod's name have that Pod's address, and
// perhaps the port of one of the Pod's own connections to the same endpoint (upstream-zone.ts):
// what the endpoint sends on that one would end in Envoy's socket, or be dropped, and never reach
// the Pod. No rule of the kernel can intervene. With it off, forwarded packets cost less, and
// packets for the node itself are looked up after they were routed; Envoy's CPU per connection is
// the same (docs/decisions/0011-conntrack-zone-for-envoys-connections.md).

import { readFile, rm, writeFile } from "node:fs/promises";
import { isShortage } from "../system/shortage.ts";

const SETTING = "net.ipv4.tcp_early_demux";
export const EARLY_DEMUX_FILE = "/proc/sys/net/ipv4/tcp_early_demux";

/**
 * Turns it off, and writes its former value to `record`, if that file is missing or empty. Returns
 * a sentence that says what fails and what to do; none when all is well.
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
    // What could not be read was not changed.
    if (!isShortage(error)) await forget(record).catch(() => {});
    const { message } = error as Error;
    return [
      `cannot set ${SETTING} (${message}): a Pod's direct connection to an endpoint fails ` +
        "when Envoy happens to use the same port for it; set it to 0",
    ];
  }
}

/** Restores its former value, unless another process did; returns what it undid, for operators. */
export async function restoreEarlyDemux(record: string, file: string): Promise<string[]> {
  const before = await readFile(record, "utf8").catch(() => "");
  if (before === "") return [];
  const isOurs = (await readFile(file, "utf8")).trim() === "0";
  if (isOurs) await writeFile(file, before);
  await forget(record);
  return isOurs ? [`${SETTING} = 0, which was ${before}`] : [];
}

/** A record that is mounted into a container cannot be removed, but emptied. */
async function forget(record: string): Promise<void> {
  await rm(record, { force: true }).catch(() => writeFile(record, ""));
}
