// Pods on a bridge that calls iptables, where the kernel calls its hooks in another order than
// bridge.ts relies on: NAT leads their TCP to Envoy. Pure text, for chains.ts. UDP, and what
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
// listeners of their own. A connection's first packet decides NAT for its whole life, whatever
// becomes of its frontend; the next connection is decided again.

import type { IPFamily } from "../model/types.ts";
import { LISTENER_KINDS, type ListenerKind } from "../node/hand-over.ts";
import { familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import { captured } from "./others.ts";
import { hasBits, hex, IS_SYN } from "./rule-text.ts";
import type { Chains } from "./udp.ts";

/** Returns rules for the head of chain to_KIND: for the first packets that NAT leads to Envoy. */
export function toRedirect(kind: ListenerKind, options: CaptureOptions): string[] {
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
  return [
    // A connection that started elsewhere: its NAT is decided. After the reset it starts again.
    ["begun_before", [`${hasBits("ct", envoyMarkBit)} goto deliver`, "reject with tcp reset"]],
    ...LISTENER_KINDS.map((kind) => [`redirect_${kind}`, redirect(kind, options)] as const),
    [
      "redirected",
      LISTENER_KINDS.map((kind) => {
        const { isMarked, restored } = markOf(kind, options);
        return `${isMarked} ${restored}meta l4proto tcp dnat to :${redirectPorts[kind]}`;
      }),
    ],
  ];
}

/** As handOver in chains.ts: `tproxy` finds out whether Envoy listens; its socket is lost. */
function redirect(kind: ListenerKind, options: CaptureOptions): string[] {
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
 * No chain can both look up the map of frontends, whose elements lead to `tproxy`, and translate:
 * NAT's rules may be in chains of NAT only. So two bits of the packet's mark name the listener
 * until NAT, in the same hook; afterwards the mark is that of all captured packets.
 */
function markOf(kind: ListenerKind, { markBit, envoyMarkBit }: CaptureOptions) {
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
