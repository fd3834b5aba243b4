// Pods that are ports of a Linux bridge: what they need in addition to the other chains. Pure text,
// for chains.ts. bridge-facts.ts reads the facts of a node's bridges.
//
// Where a bridge calls iptables (br_netfilter, sysctl bridge-nf-call-iptables), a packet that comes
// in by one of its ports passes the prerouting hook while the bridge has it (pass 1; `iif` is the
// bridge). When the bridge hands it up, ip_rcv starts the hook again (pass 2), and br_netfilter's
// ip_sabotage_in, which has the very first priority, skips the rest. This breaks two things:
//
//   - ip_rcv takes away the socket that tproxy gave the packet in pass 1. Of chains of one priority
//     the kernel calls the newest first (nf_hook_entries_grow). So look_again, of the first
//     priority and made after br_netfilter's hook, runs before it and gives the socket again. The
//     mark distinguishes pass 2 from pass 1. A UDP packet needs nothing: it has its listener's
//     address already.
//   - What a Pod answers to another Pod of the bridge, whose address Envoy keeps, would go straight
//     to that Pod. br_netfilter routes a packet itself, by its mark, when its destination changed
//     in the hook. So one bit of the destination is flipped (detour), after NAT, which would put
//     the client's address back; and flipped back in the input hook, before the socket lookup
//     (return_home). Both rules have the same condition, so what is flipped is always flipped back.
//
// bridge-redirect.ts replaces the first where the kernel's order is another.
//
// Where a bridge does not call iptables, no IP hook sees that answer. Envoy then uses the node's
// address for connections that stay on one bridge.

import { redirectChains } from "./bridge-redirect.ts";
import { type Family, familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import { hasBits, IS_SYN } from "./rule-text.ts";
import type { Chains } from "./udp.ts";
import { FIRST_IN_INPUT } from "./udp-shown.ts";

/** br_netfilter's, NF_IP_PRI_FIRST. */
const FIRST = -(2 ** 31);
const AFTER_TRANSLATION = "dstnat + 1";

/** In no first octet: no address becomes a multicast, loopback or unspecified one. */
const TURNED_BIT: Record<Family["header"], string> = { ip: "0.64.0.0", ip6: "0:0:40::" };

/** Returns no chains without br_netfilter. KernelCapture makes its hooks come first. */
export function bridgeChains(options: CaptureOptions): Chains {
  if (!options.bridges.hasNetfilter) return [];
  const isBridged = 'meta iifkind "bridge"';
  const isAnswer = `ct direction reply ${hasBits("ct", options.markBit)} ${isBridged}`;
  return [
    ...(options.redirectPorts ? redirectChains(options) : secondLook(options, isBridged)),
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

function secondLook({ markBit }: CaptureOptions, isBridged: string): Chains {
  return [
    [
      "look_again",
      [
        `type filter hook prerouting priority ${FIRST}; policy accept;`,
        `${hasBits("meta", markBit)} meta l4proto tcp ct direction original ${isBridged} ` +
          "goto captured_before",
      ],
    ],
    [
      "captured_before",
      [
        `${IS_SYN} goto from_frontend`,
        "socket transparent 1 socket wildcard 0 accept",
        "goto from_frontend",
      ],
    ],
  ];
}

/** For the postrouting hook: matches Envoy's connections whose answers no IP hook would see. */
export function masqueradeUnseen({ bridges, markBit, families }: CaptureOptions): string[] {
  const headers = familiesOf(families).map(({ header }) => header);
  return bridges.unseen.flatMap(({ bridge, cidr }) => {
    const header = cidr.includes(":") ? "ip6" : "ip";
    if (!headers.includes(header)) return [];
    const isWithin = `${header} saddr ${cidr} ${header} daddr ${cidr}`;
    return [`${hasBits("ct", markBit)} oifname "${bridge}" ${isWithin} masquerade`];
  });
}
