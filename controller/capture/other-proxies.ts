// Portico on a node where kube-proxy works too, or has left its rules. Pure text, for chains.ts.
// Both catch the same packets: Portico's rules take a Pod's before kube-proxy's translate them, but
// the translation would follow, and Envoy would see the endpoint as the address that was dialled.
//
//    priority   prerouting                     output
//    -150       capture                        replies
//    -101       untranslated
//    -100       kube-proxy translates          kube-proxy translates
//       0                                      kube-proxy refuses, of what it has not translated,
//                                              whatever goes to a cluster IP
//      10                                      host
//
// So what Pods and others begin is Portico's from its first packet on. What host processes begin is
// kube-proxy's as long as it is there, and Portico's from the moment its rules are gone.
// Connections that kube-proxy has begun live on, with or without it: the kernel goes on translating
// them as long as anybody has a chain of type nat.

import { redirected } from "./bridge-redirect.ts";
import { familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";

/** Of the host chain: after kube-proxy's filters, and the firewalls. */
export const AFTER_FILTERS = 10;

/** For the capture chain: of a connection that somebody translates. */
export const IS_TRANSLATED = "ct status dnat";

/** Of these, what goes to Envoy: connections that bridge-redirect.ts has led there. */
export function translated({ envoyMarkBit }: CaptureOptions): string[] {
  const bit = `0x${envoyMarkBit.toString(16)}`;
  return [`ct mark and ${bit} == ${bit} goto deliver`, "accept"];
}

/**
 * The first who translates a connection is the only one. This translates to what was dialled, as
 * connection tracking has it: a datagram has its listener's address by now.
 */
export function untranslated(options: CaptureOptions): string[] {
  const bit = `0x${options.markBit.toString(16)}`;
  const isCaptured = `meta mark and ${bit} == ${bit}`;
  return [
    "type nat hook prerouting priority dstnat - 1; policy accept;",
    ...redirected(options),
    ...familiesOf(options.families).map(
      ({ header }) => `${isCaptured} dnat ${header} to ct original ${header} daddr`,
    ),
  ];
}
