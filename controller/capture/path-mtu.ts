// How the kernel learns path MTUs for what Envoy's UDP sockets send. Pure text, for chains.ts.
//
// A router that cannot forward a packet sends an ICMP error to its source, and quotes the packet in
// it. The kernel looks for the socket that sent the quoted packet. If there is one, the kernel
// notes the path MTU for the packet's destination, and all sockets that send there fragment to it.
// TCP needs no help with that. UDP does, in two cases:
//
//    client  ← 10.96.0.10:53      no socket has the frontend's address and port (udp.ts)
//    backend ← 10.1.1.10:41234    Envoy's socket has no address, and the Pod's for each datagram;
//                                 from an address that is not the node's, the kernel finds no
//                                 route (IPv4 only: __ipv4_sk_update_pmtu in net/ipv4/route.c)
//
// So rules change the quoted packet when its error is delivered, after connection tracking has
// found its flow and NAT has put its addresses back:
//
//    IPv6, to a client     UDP becomes ICMPv6, which needs no socket (icmpv6_err, net/ipv6/icmp.c)
//    IPv4, to a backend    the source becomes 0.0.0.0, where the socket is bound
//
// In IPv4 the kernel learns nothing for clients: routers fragment what is sent to them
// (xds/udp-resources.ts). Nothing corrects the checksum of the error: NAT, which runs before, has
// verified it (nf_nat_icmp_reply_translation), and the kernel verifies a packet's checksum once.

import type { CaptureOptions } from "./options.ts";
import { hasBits } from "./rule-text.ts";

/** Positions in the packet that an ICMP message quotes: nft's base, bit offset, bit count. */
const QUOTED_IPV4_PROTOCOL = "@th,136,8";
const QUOTED_IPV4_SOURCE = "@th,160,32";
const QUOTED_NEXT = "@th,112,8";
/** The same in the header of a fragment, which follows that of IPv6. */
const QUOTED_FRAGMENT_NEXT = "@th,384,8";
const FRAGMENT = "0x2c";
const UDP = "0x11";
const ICMPV6 = "0x3a";

/** For the capture hook: errors about answers to clients are the node's, whatever the address. */
export function errorsAboutAnswers(options: CaptureOptions): string[] {
  return inIPv6(options, [`${isAboutAnswer(options)} goto deliver`]);
}

/** For the input hook, last. `isOurs`: of a connection of Envoy's in a client's name. */
export function learntPathMTU(options: CaptureOptions, isOurs: string): string[] {
  const isAboutRequest =
    "icmp type destination-unreachable icmp code frag-needed ct state related " +
    `ct direction reply ${isOurs}`;
  return [
    `${isAboutRequest} ${QUOTED_IPV4_PROTOCOL} ${UDP} ${QUOTED_IPV4_SOURCE} set 0x0`,
    ...inIPv6(options, [
      `${isAboutAnswer(options)} ${QUOTED_NEXT} ${UDP} ${QUOTED_NEXT} set ${ICMPV6}`,
      `${isAboutAnswer(options)} ${QUOTED_NEXT} ${FRAGMENT} ` +
        `${QUOTED_FRAGMENT_NEXT} ${UDP} ${QUOTED_FRAGMENT_NEXT} set ${ICMPV6}`,
    ]),
  ];
}

function inIPv6({ families }: CaptureOptions, rules: string[]): string[] {
  return families.includes("IPv6") ? rules : [];
}

/** Condition: the error belongs to a connection or flow that was captured (others.ts). */
function isAboutAnswer({ envoyMarkBit }: CaptureOptions): string {
  return `icmpv6 type packet-too-big ct state related ${hasBits("ct", envoyMarkBit)}`;
}
