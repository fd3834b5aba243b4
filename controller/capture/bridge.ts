// Pods that are ports of a Linux bridge: what they need besides the other chains. Pure text, for
// chains.ts. bridge-facts.ts says what a node's bridges are like.
//
// Where a bridge calls iptables (br_netfilter, sysctl bridge-nf-call-iptables), a packet that comes
// in by one of its ports passes the prerouting hook while the bridge has it (pass 1; `iif` is the
// bridge). When the bridge hands it up, ip_rcv begins the hook again (pass 2), and br_netfilter's
// ip_sabotage_in, which has the very first priority, skips the rest. Two things fail with that:
//
//   - ip_rcv takes away the socket that tproxy gave the packet in pass 1. Of chains of one priority
//     the kernel calls the one that was made last first (nf_hook_entries_grow). So look_again, of
//     the first priority and made after br_netfilter's hook, comes before it, and gives the socket
//     again. The mark tells pass 2 from pass 1. A UDP packet needs nothing: it has its listener's
//     address already.
//   - What a Pod answers to another Pod of the bridge, whose address Envoy keeps, would go straight
//     to that Pod. br_netfilter routes a packet itself, by its mark, when its destination changed
//     in the hook. So one bit of it is turned over (detour), after NAT, which would put the
//     client's address back; and turned back in the input hook, before a socket is looked for
//     (return_home). Both rules ask the same, so what is turned over is always turned back.
//
// bridge-redirect.ts is what takes the place of the first where the kernel's order is another.
//
// Where a bridge does not call iptables, no IP hook sees that answer. Envoy then asks from the
// node's address what stays on one bridge.

import { redirectChains } from "./bridge-redirect.ts";
import { type Family, familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import type { Chains } from "./udp.ts";

/** br_netfilter's, NF_IP_PRI_FIRST. */
const FIRST = -(2 ** 31);
const AFTER_TRANSLATION = "dstnat + 1";
/** Rules of others in the input hook see real addresses. */
const FIRST_IN_INPUT = -400;

/** In no first octet: no address becomes a multicast, loopback or unspecified one. */
const TURNED_BIT: Record<Family["header"], string> = { ip: "0.64.0.0", ip6: "0:0:40::" };

/** None without br_netfilter. They may only be made after its hooks: KernelCapture sees to that. */
export function bridgeChains(options: CaptureOptions): Chains {
  if (!options.bridges.hasNetfilter) return [];
  const bit = `0x${options.markBit.toString(16)}`;
  const isBridged = 'meta iifkind "bridge"';
  const isAnswer = `ct direction reply ct mark and ${bit} == ${bit} ${isBridged}`;
  return [
    ...(options.redirectPorts ? redirectChains(options) : secondLook(bit, isBridged)),
    [
      "turn_over",
      familiesOf(options.families).map(
        ({ header }) => `${header} daddr set ${header} daddr ^ ${TURNED_BIT[header]}`,
      ),
    ],
    [
      "detour",
      [
        `type filter hook prerouting priority ${AFTER_TRANSLATION}; policy accept;`,
        `${isAnswer} goto turn_over`,
      ],
    ],
    [
      "return_home",
      [
        `type filter hook input priority ${FIRST_IN_INPUT}; policy accept;`,
        `${isAnswer} goto turn_over`,
      ],
    ],
  ];
}

function secondLook(bit: string, isBridged: string): Chains {
  return [
    [
      "look_again",
      [
        `type filter hook prerouting priority ${FIRST}; policy accept;`,
        `meta mark and ${bit} == ${bit} meta l4proto tcp ct direction original ${isBridged} ` +
          "goto captured_before",
      ],
    ],
    [
      "captured_before",
      [
        "tcp flags & (fin | syn | rst | ack) == syn goto from_frontend",
        "socket transparent 1 socket wildcard 0 accept",
        "goto from_frontend",
      ],
    ],
  ];
}

/** For the postrouting hook: Envoy's connections whose answers no IP hook would see. */
export function masqueradeUnseen({ bridges, markBit, families }: CaptureOptions): string[] {
  const bit = `0x${markBit.toString(16)}`;
  const headers = familiesOf(families).map(({ header }) => header);
  return bridges.unseen.flatMap(({ bridge, cidr }) => {
    const header = cidr.includes(":") ? "ip6" : "ip";
    if (!headers.includes(header)) return [];
    const isWithin = `${header} saddr ${cidr} ${header} daddr ${cidr}`;
    return [`ct mark and ${bit} == ${bit} oifname "${bridge}" ${isWithin} masquerade`];
  });
}
