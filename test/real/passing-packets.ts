// Which connections a node lets pass as it would without Portico: their first packet leaves the
// node, or reaches the node itself, with the destination that was dialled and without Portico's
// mark. Seen by a table of rules of its own, which changes nothing.

import { DEFAULT_CAPTURE_OPTIONS } from "../../controller/capture/options.ts";
import { familyOfText, partsOf } from "../cases/topology.ts";
import type { Namespace } from "../namespaces/namespace.ts";

const MARK = `0x${DEFAULT_CAPTURE_OPTIONS.markBit.toString(16)}`;
const IS_FIRST = "tcp flags & (fin | syn | rst | ack) == syn";
const NOTES = ["ip", "ip6"].map((header) => {
  return `add @passed_${header} { tcp sport . ${header} daddr . tcp dport }`;
});

// After everything that leaves was translated, and before Portico takes its mark off what arrives.
// What a host process sends to a cluster IP leaves through lo, only to arrive again.
const RULES = `table inet observer {
  set passed_ip { type inet_service . ipv4_addr . inet_service; size 65535; flags dynamic; }
  set passed_ip6 { type inet_service . ipv6_addr . inet_service; size 65535; flags dynamic; }
  chain leaving {
    type filter hook postrouting priority 300;
    ${NOTES.map((note) => `oif != "lo" ${IS_FIRST} ${note}`).join("\n    ")}
  }
  chain arriving {
    type filter hook input priority 299;
    ${NOTES.map((note) => `meta mark & ${MARK} == 0 ${IS_FIRST} ${note}`).join("\n    ")}
  }
}`;

export async function observePackets(node: Namespace): Promise<void> {
  await node.exec("nft", ["-f", "-"], { input: RULES });
}

/** Whether a connection from `sourcePort` to `to` ("address:port") passed since the beginning. */
export async function hasPassed(node: Namespace, sourcePort: number, to: string): Promise<boolean> {
  const { address, port } = partsOf(to);
  const set = familyOfText(to) === "IPv4" ? "passed_ip" : "passed_ip6";
  const element = `{ ${sourcePort} . ${address} . ${port} }`;
  const args = ["get", "element", "inet", "observer", set, element];
  return (await node.exec("nft", args, { allowFailure: true })).code === 0;
}
