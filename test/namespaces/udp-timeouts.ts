// How long connection tracking keeps a UDP flow without traffic, for tests that would wait for it.

import type { Namespace } from "./namespace.ts";

const SYSCTLS = ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"];

/** By default 30 s, and 120 s where there was an answer. */
export async function shortenUdpTimeouts(node: Namespace, seconds: number): Promise<void> {
  const lines = SYSCTLS.map((name) => `echo ${seconds} > /proc/sys/net/netfilter/${name}`);
  await node.exec("sh", ["-c", lines.join(" && ")]);
}
