// Pods on a bridge that calls iptables, where the kernel calls its hooks in another order than
// bridge.ts relies on: so that TCP finds Envoy by NAT. Pure text, for chains.ts. UDP, and what
// backends answer, need no order.
//
//    Pod ─SYN→ 10.96.0.10:80    pass 1, capture: verdict as for all; the mark says which listener
//                               pass 1, NAT:     → 10.96.0.10:15405
//                               pass 2:          the mark makes it local, and the listener that
//                                                has :15405 on all addresses gets it
//    Pod ←──── 10.96.0.10:80    NAT puts the port back
//
// Only the port is translated: with the address too (`redirect`), a client's connections to all
// Services would share the ports that one can have to one address. Envoy asks connection tracking
// for the port that was dialled (SO_ORIGINAL_DST, its filter original_dst), which is why these are
// listeners of their own. NAT is decided by a connection's first packet and goes on for its life,
// whatever becomes of its frontend; the next connection is decided anew.

import type { IPFamily } from "../model/types.ts";
import type { UdpListenerKind } from "../node/types.ts";
import { familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import { captured } from "./others.ts";
import type { Chains } from "./udp.ts";

const KINDS: readonly UdpListenerKind[] = ["keep", "masquerade", "local"];
const IS_SYN = "tcp flags & (fin | syn | rst | ack) == syn";

/** For the head of the chain to_KIND: the first packets that NAT is to lead to Envoy. */
export function toRedirect(kind: UdpListenerKind, options: CaptureOptions): string[] {
  return isRedirected(options).map((condition) => `${condition} goto redirect_${kind}`);
}

/** For the nat chain of the prerouting hook. */
export function redirected(options: CaptureOptions): string[] {
  return isRedirected(options).map((condition) => `${condition} goto redirected`);
}

/** None where the order of hooks is relied on. */
export function redirectChains(options: CaptureOptions): Chains {
  const { redirectPorts, envoyMarkBit } = options;
  if (redirectPorts === undefined || redirectedFamilies(options).length === 0) return [];
  const envoyBit = hex(envoyMarkBit);
  return [
    // A connection that has begun elsewhere: NAT is decided. After the reset it begins again.
    [
      "begun_before",
      [`ct mark and ${envoyBit} == ${envoyBit} goto deliver`, "reject with tcp reset"],
    ],
    ...KINDS.map((kind) => [`redirect_${kind}`, redirect(kind, options)] as const),
    [
      "redirected",
      KINDS.map((kind) => {
        const { isMarked, restored } = markOf(kind, options);
        return `${isMarked} ${restored}meta l4proto tcp dnat to :${redirectPorts[kind]}`;
      }),
    ],
  ];
}

/** As handOver of chains.ts: `tproxy` finds out whether Envoy listens; its socket is lost. */
function redirect(kind: UdpListenerKind, options: CaptureOptions): string[] {
  const port = options.redirectPorts?.[kind];
  const { bits } = markOf(kind, options);
  return [
    "ct state invalid drop",
    "ct status confirmed goto begun_before",
    captured(options),
    ...familiesOf(options.families).map(
      ({ header, loopback }) =>
        `meta l4proto tcp tproxy ${header} to ${loopback}:${port} ` +
        `meta mark set meta mark or ${hex(bits)} accept`,
    ),
    "drop",
  ];
}

/**
 * No chain can both ask the map of frontends, whose elements lead to `tproxy`, and translate: NAT's
 * rules may be in chains of NAT only. So the two bits of the packet's mark say which listener it is
 * until NAT, in the same hook; afterwards the mark is that of all captured packets.
 */
function markOf(kind: UdpListenerKind, { markBit, envoyMarkBit }: CaptureOptions) {
  const both = markBit | envoyMarkBit;
  const bits = { keep: markBit, masquerade: both, local: envoyMarkBit }[kind];
  const isMarked = `meta mark and ${hex(both)} == ${hex(bits)}`;
  const restored = kind === "local" ? `meta mark set meta mark or ${hex(markBit)} ` : "";
  return { bits, isMarked, restored };
}

function isRedirected(options: CaptureOptions): string[] {
  const families = redirectedFamilies(options);
  if (options.redirectPorts === undefined || families.length === 0) return [];
  const [only] = familiesOf(families);
  const ofFamily =
    families.length < options.families.length ? `meta nfproto ${only?.nfproto} ` : "";
  return [`meta iifkind "bridge" ${ofFamily}${IS_SYN}`];
}

function redirectedFamilies({ bridges, families }: CaptureOptions): IPFamily[] {
  return families.filter((family) => bridges.calling.includes(family));
}

function hex(bits: number): string {
  return `0x${(bits >>> 0).toString(16)}`;
}
