// sysctls of the node → what of them keeps Portico from working, for people; and which families it
// can capture. Portico changes one of them (early-demux.ts): it needs no forwarding, no
// route_localnet, no ip_nonlocal_bind, and works with rp_filter 0, 1 and 2, tcp_fwmark_accept and
// fwmark_reflect (each tried on Linux 6.18).

import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { IPFamily } from "../model/types.ts";
import { unlessShort } from "../shortage.ts";

const DISABLE_IPV6 = "/proc/sys/net/ipv6/conf/lo/disable_ipv6";
const CONF = "/proc/sys/net/ipv4/conf";
/** Of all interfaces: wg-quick sets it to 1 when all packets are to go through its tunnel. */
export const SOURCE_MARK_SETTING = `${CONF}/all/src_valid_mark`;

/**
 * One sentence for each setting that stands in the way; none when all is well. src_valid_mark makes
 * the kernel look up the sender of a captured packet among Portico's routes too, where every
 * address is local, and drop the packet as one that pretends to come from the node itself.
 */
export async function kernelSettingProblems(directory = CONF): Promise<string[]> {
  const interfaces = (await readdir(directory)).sort();
  const problems = interfaces.map(async (name) => {
    const value = await readFile(join(directory, name, "src_valid_mark"), "utf8").catch(
      unlessShort(""),
    );
    if (value.trim() !== "1") return [];
    const setting = `net.ipv4.conf.${name}.src_valid_mark`;
    const whom = name === "all" ? "any interface" : `interface ${name}`;
    return [`${setting} is 1: Services do not answer to packets from ${whom}; set it to 0`];
  });
  return (await Promise.all(problems)).flat();
}

/** Without IPv6 in the kernel, or with it disabled on lo, no packet can be routed to the node. */
export function capturedFamilies(file = DISABLE_IPV6): IPFamily[] {
  const isEnabled = existsSync(file) && readFileSync(file, "utf8").trim() === "0";
  return isEnabled ? ["IPv4", "IPv6"] : ["IPv4"];
}
