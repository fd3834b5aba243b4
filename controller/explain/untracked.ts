// Text of a table `raw` of the kernel, as nft lists it → whether it excludes packets to an address
// and port from tracking, as NodeLocal DNSCache's rules do. Pure. Reads rules that test only the
// destination; chains that others lead to count as if all packets passed them.

import { cidrContains, parseCIDR } from "../model/ip.ts";
import type { Dialled } from "./kernel-way.ts";

/** What a rule may test, and what nft may print that tests nothing. */
const RULE = new RegExp(
  "^(?:ip6? daddr (?<address>\\S+) )?(?:meta l4proto (?:tcp|udp) )?" +
    "(?:(?<protocol>tcp|udp) dport (?<port>\\d+) )?" +
    '(?:counter packets \\d+ bytes \\d+ )?(?:comment "[^"]*" )?notrack$',
);

type Destination = Pick<Dialled, "address" | "port" | "protocol">;

/** `table` is "" where there is none. */
export function isUntracked(table: string, { address, port, protocol }: Destination): boolean {
  return table.split("\n").some((line) => {
    const rule = RULE.exec(line.trim().replaceAll(/\s+/g, " "))?.groups;
    if (!rule || (rule.address !== undefined && !isWithin(rule.address, address))) return false;
    if (rule.port === undefined) return rule.address !== undefined;
    return rule.protocol === protocol.toLowerCase() && Number(rule.port) === port;
  });
}

function isWithin(text: string, address: string): boolean {
  const cidr = parseCIDR(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`);
  return cidr !== undefined && cidrContains(cidr, address);
}
