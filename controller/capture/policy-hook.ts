// Shows Envoy's connections to backends to network policies as kube-proxy's NAT shows a client's.
// Pure text, for chains.ts; policy-link.ts makes the links.
//
// What a process of the node sends passes the output hook. There, enforcers of NetworkPolicies let
// the node reach its own Pods, so that probes work: Calico returns unpoliced (felix,
// rules/static.go), kube-network-policies accepts what root sends. So the first packet of each
// connection that Envoy makes in a client's name takes another way, like a packet that the node
// forwards:
//
//    Envoy  10.1.1.10 → 10.1.1.21:8080    output:      not tracked, marked
//           portico0 ═ portico1           postrouting, prerouting
//           10.1.1.10 → 10.1.1.21:8080    prerouting:  tracked, its mark cleared
//                                         forward, postrouting
//
// So the rules of others see client and backend in the same hooks as with kube-proxy, and decide
// only there. Forwarded are the SYN for TCP, and for UDP all datagrams until the backend has
// answered. Afterwards connection tracking knows the connection as established, and its packets
// leave directly.
//
// Answers, and an enforcer's refusals, reach Envoy by the connection's mark, like all answers.

import { type Family, familiesOf } from "./families.ts";
import { isNoted } from "./masquerade.ts";
import type { CaptureOptions } from "./options.ts";
import { IN_LINK } from "./policy-link.ts";
import { hasBits, hex, IS_SYN } from "./rule-text.ts";
import type { Chains } from "./udp.ts";
import { AFTER_NOTRACK, IN_UPSTREAM_ZONE } from "./upstream-zone.ts";

/** After firewalls and enforcers. */
const LAST_IN_FORWARD = 300;
/** How long an answer is remembered: less than Envoy keeps a flow, as backends answer again. */
const ANSWERED_SECONDS = 5;
/** When it is full, further datagrams are forwarded too, which costs more and changes nothing. */
const MAX_ANSWERED = 65_536;

/** Returns the attributes of the sets udp_answered_v4 and udp_answered_v6, which rules fill. */
export function answeredAttributes({ type }: Family): string[] {
  return [
    `type ${type} . inet_service . ${type} . inet_service`,
    `size ${MAX_ANSWERED}`,
    "flags dynamic,timeout",
    `timeout ${ANSWERED_SECONDS}s`,
  ];
}

/** Returns the families in which first packets are forwarded. */
function forwardedFamilies({ policyHook, forwarding, families }: CaptureOptions) {
  return familiesOf(policyHook === "forward" ? families.filter((f) => forwarding.includes(f)) : []);
}

/** For the chain of what leaves Envoy for backends, before it is tracked. */
export function toForward(options: CaptureOptions): string[] {
  const families = forwardedFamilies(options);
  const [only] = families;
  if (only === undefined) return [];
  const ofFamily = families.length < options.families.length ? `meta nfproto ${only.nfproto} ` : "";
  return [
    `${ofFamily}${IS_SYN} ${hasBits("meta", options.envoyMarkBit)} ${IS_ELSEWHERE} ` +
      "jump first_packet",
    ...families.map(
      ({ header, suffix }) =>
        `meta l4proto udp socket transparent 1 socket wildcard 1 ${IS_ELSEWHERE} ` +
        `${header} saddr . udp sport . ${header} daddr . udp dport != @udp_answered_${suffix} ` +
        "jump first_packet",
    ),
  ];
}

/** Neither from the node itself nor to it: what kube-proxy's node would forward. */
const IS_ELSEWHERE = "fib saddr type != local fib daddr type != local";

/** For the head of the prerouting hook of captured packets. */
export function fromForward(options: CaptureOptions): string[] {
  if (forwardedFamilies(options).length === 0) return [];
  return [`iifname "${IN_LINK}" goto forwarded`];
}

/** For the input hook: a UDP backend has answered. `isOurs`: of Envoy's, in a client's name. */
export function answered(options: CaptureOptions, isOurs: string): string[] {
  return forwardedFamilies(options).map(
    ({ header, suffix }) =>
      `meta l4proto udp ct direction reply ${isOurs} ` +
      `update @udp_answered_${suffix} ` +
      `{ ${header} daddr . udp dport . ${header} saddr . udp sport }`,
  );
}

/** Returns no chains where first packets leave directly. */
export function policyChains(options: CaptureOptions): Chains {
  const families = forwardedFamilies(options);
  if (families.length === 0) return [];
  const bits = hex(forwardMark(options));
  const markBit = hex(options.markBit);
  const toMasquerade = hex(options.masqueradeMarkBit);
  const noted = [
    `ct mark set ct mark or ${markBit}`,
    `${hasBits("meta", options.masqueradeMarkBit)} ct mark set ct mark or ${toMasquerade}`,
  ];
  return [
    [
      "first_packet",
      [
        // Refuse in the output hook, where connection tracking leads the refusal to Envoy.
        ...families.flatMap(({ header, suffix }) => [
          `${header} daddr @cluster_ips_${suffix} return`,
          `${header} daddr @service_cidrs_${suffix} return`,
        ]),
        ...isNoted(families).map(
          (condition) => `meta l4proto udp ${condition} meta mark set meta mark or ${toMasquerade}`,
        ),
        `meta mark set meta mark or ${bits} notrack accept`,
      ],
    ],
    [
      "from_link",
      [
        `type filter hook prerouting ${AFTER_NOTRACK}; policy accept;`,
        `iifname "${IN_LINK}" meta mark and ${bits} != ${bits} drop`,
        `iifname "${IN_LINK}" ${IN_UPSTREAM_ZONE}`,
      ],
    ],
    // As a new packet: what rules of others noted on it in the output hook must not decide here.
    ["forwarded", [...noted, `meta mark set meta mark and ${toMasquerade} accept`]],
    // Again, after programs that overwrite the whole mark of new connections.
    [
      "leaving_link",
      [
        `type filter hook forward priority ${LAST_IN_FORWARD}; policy accept;`,
        `iifname != "${IN_LINK}" accept`,
        ...noted,
        `meta mark set meta mark and ${hex(~options.masqueradeMarkBit)}`,
      ],
    ],
  ];
}

/** Returns the mark that leads a packet to the links; all of its bits must be set. */
export function forwardMark({ envoyMarkBit, forwardMarkBit }: CaptureOptions): number {
  return envoyMarkBit | forwardMarkBit;
}
