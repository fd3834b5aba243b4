// Rules as Calico's nftables and iptables data planes have them, in our own words, after felix'
// rules/static.go and its documentation: where they differ from others is in which hook they judge
// whom, by which interface.
//
//    input     from a Pod's interface: the Pod's egress, then endpoint-to-host ACCEPT
//    forward   from a Pod's interface: its egress; to a Pod's interface: its ingress
//    output    to a Pod's interface: not judged
//
// Before that, what connection tracking has as established is accepted, and as invalid dropped.

import { hook, type PodChains } from "./pod-chains.ts";
import type { Rules } from "./rules-by-hand.ts";

const NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept";
const KNOWN = ["ct state established,related accept", "ct state invalid drop", NEIGHBOURS];

export const CALICO: Rules = {
  name: "rules as Calico's",
  table: "inet calico_like",
  hooks: hooksFor,
};

function hooksFor(pods: readonly PodChains[]): string[] {
  const from = pods.map(({ link, from }) => `iifname "${link}" jump ${from}`);
  const to = pods.map(({ link, to }) => `oifname "${link}" jump ${to}`);
  const toPods = pods.map(({ link }) => `oifname "${link}" accept`);
  return [
    ...hook("input", "filter", [...KNOWN, ...from]),
    ...hook("forward", "filter", [...KNOWN, ...from, ...to]),
    ...hook("output", "filter", [...KNOWN, ...toPods]),
  ];
}
