// What the input hook shows of a captured datagram. Pure text, for chains.ts and udp.ts.
//
// udp.ts writes a listener's made-up address into a datagram before it is routed. Rules of others
// in the input hook would judge that address, which belongs to no host: an enforcer of
// NetworkPolicies that lets Pods talk to the Service range there (kube-router:
// --service-cluster-ip-range) would drop a Pod's query to the cluster's DNS. So, while they look,
// the datagram has its frontend's address again:
//
//    prerouting   10.96.0.10:53 → 240.7.1.9:15404    the mark says which kind of listener
//    input        240.7.1.9:15404 → 10.96.0.10:53    first of all
//                 rules of others
//                 10.96.0.10:53 → 240.7.1.9:15404    last of all

import { LISTENER_KINDS, type ListenerKind } from "../node/hand-over.ts";
import { type Family, familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import { hasBits, hex } from "./rule-text.ts";

/** Rules of others in the input hook come later. */
export const FIRST_IN_INPUT = -400;

/**
 * For the chain of a kind, in prerouting: notes where the datagram goes again afterwards. Sets or
 * clears both bits, as another program may have copied the connection's mark to the packet.
 */
export function noteKind(kind: ListenerKind, options: CaptureOptions): string {
  const bits = kindBits(kind, options);
  const cleared = `meta mark set meta mark and ${hex(~both(options))} `;
  return bits === 0 ? cleared : `${cleared}or ${hex(bits)} `;
}

/** The first chain of the input hook. */
export function shownFrontends(options: CaptureOptions): string[] {
  const isCaptured = hasBits("meta", options.markBit);
  return [
    `type filter hook input priority ${FIRST_IN_INPUT}; policy accept;`,
    ...familiesOf(options.families).map(
      ({ header, suffix }) =>
        `${isCaptured} udp dport ${options.udpPort} ` +
        `udp dport set ${header} daddr map @udp_ports_${suffix} ` +
        `${header} daddr set ${header} daddr map @udp_sources_${suffix}`,
    ),
  ];
}

/** For the last chain of the input hook. A frontend that is gone by now has no listener. */
export function toListenersAgain(options: CaptureOptions): string[] {
  return LISTENER_KINDS.flatMap((kind) =>
    familiesOf(options.families).map((family) => toListenerAgain(kind, family, options)),
  );
}

function toListenerAgain(
  kind: ListenerKind,
  { header, suffix }: Family,
  options: CaptureOptions,
): string {
  const { markBit, udpPort } = options;
  const mask = hex(markBit | both(options));
  const bits = hex(markBit | kindBits(kind, options));
  return (
    `meta mark and ${mask} == ${bits} meta l4proto udp ` +
    `${header} daddr set ${header} daddr . udp dport map @udp_${kind}_${suffix} ` +
    `udp dport set ${udpPort}`
  );
}

/** In a captured datagram's mark these bits have no other meaning. */
function kindBits(kind: ListenerKind, { envoyMarkBit, masqueradeMarkBit }: CaptureOptions): number {
  return { keep: 0, masquerade: masqueradeMarkBit, local: envoyMarkBit }[kind];
}

function both({ envoyMarkBit, masqueradeMarkBit }: CaptureOptions): number {
  return envoyMarkBit | masqueradeMarkBit;
}
