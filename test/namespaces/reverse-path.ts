// What capture/policy-link.ts does to the sysctls of its own network namespace, in that of a node.

import type { Namespace } from "./namespace.ts";

export async function looseReversePathOn(node: Namespace): Promise<boolean> {
  const script = "echo 2 > /proc/sys/net/ipv4/conf/portico1/rp_filter";
  const { code } = await node.exec("sh", ["-c", script], { allowFailure: true });
  return code === 0;
}
