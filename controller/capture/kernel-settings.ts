// sysctls of the node → problems for operators: those that keep Portico from working. Portico
// changes one sysctl (early-demux.ts). It needs neither route_localnet nor ip_nonlocal_bind, needs
// forwarding only for what policies see (policy-hook.ts), and works with rp_filter 0, 1 and 2,
// tcp_fwmark_accept and fwmark_reflect (each tried on Linux 6.18).

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { unlessShort } from "../system/shortage.ts";

const CONF = "/proc/sys/net/ipv4/conf";
/** Of all interfaces: wg-quick sets it to 1 to send all packets through its tunnel. */
export const SOURCE_MARK_SETTING = `${CONF}/all/src_valid_mark`;

/**
 * Returns one sentence for each setting that stands in the way; none when all is well.
 * src_valid_mark makes the kernel look up the sender of a captured packet among Portico's routes
 * too, where every address is local. It then drops the packet as one that claims to come from the
 * node itself.
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
    return [`${setting} is 1: Services do not answer packets from ${whom}; set it to 0`];
  });
  return (await Promise.all(problems)).flat();
}
