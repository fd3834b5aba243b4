// Portico on a node where kube-proxy runs too, or has left its rules. Pure text, for chains.ts.
// Both catch the same packets: Portico's rules take a Pod's packets before kube-proxy's translate
// them, but the translation would follow, and Envoy would see the endpoint as the dialled address.
//
//    priority   prerouting                     output
//    -150       capture                        replies
//    -101       untranslated
//    -100       kube-proxy translates          kube-proxy translates
//       0                                      kube-proxy refuses, of what it has not translated,
//                                              whatever goes to a cluster IP
//      10                                      host
//
// So connections of Pods and others are Portico's from their first packet. Those of host processes
// are kube-proxy's while it is there, and Portico's as soon as its rules are gone. Connections that
// started through kube-proxy continue, with or without it: the kernel keeps translating them while
// any table has a chain of type nat.

import { redirected } from "./bridge-redirect.ts";
import { familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import { hasBits } from "./rule-text.ts";

/** Of the host chain: after kube-proxy's filters, and the firewalls. */
export const AFTER_FILTERS = 10;

/** Condition for the capture chain: another program translates the connection. */
export const IS_TRANSLATED = "ct status dnat";

/** Of these, the connections that bridge-redirect.ts leads to Envoy. */
export function translated({ envoyMarkBit }: CaptureOptions): string[] {
  return [`${hasBits("ct", envoyMarkBit)} goto deliver`, "accept"];
}

/**
 * Only the first translation of a connection counts. This one translates to the dialled address, as
 * connection tracking has it: a datagram has its listener's address by now.
 */
export function untranslated(options: CaptureOptions): string[] {
  const isCaptured = hasBits("meta", options.markBit);
  return [
    "type nat hook prerouting priority dstnat - 1; policy accept;",
    ...redirected(options),
    ...familiesOf(options.families).map(
      ({ header }) => `${isCaptured} dnat ${header} to ct original ${header} daddr`,
    ),
  ];
}
