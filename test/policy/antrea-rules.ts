// Rules that judge as Antrea's switch does where AntreaProxy is off, in our own words, after
// pkg/agent/openflow and pkg/agent/route: a packet passes the switch when a Pod sends it, and when
// the host sends it to a Pod by antrea-gw0. In the place of the switch, the Pods' interfaces.
//
//    prerouting    from a Pod's interface: its egress; what goes to the Service range is not judged
//    postrouting   to a Pod's interface, after all masquerading: the egress of the source address,
//                  if that is a Pod of the node, and the Pod's ingress; to Pods of other nodes, the
//                  egress. What the node sends from an address of its own is not judged.

import { CLUSTER_CIDRS, familyOf, SERVICE_CIDRS } from "../parity/lab.ts";
import { hook, type PodChains } from "./pod-chains.ts";
import type { Rules } from "./rules-by-hand.ts";

/** HostLocalSourceMark. */
const FROM_NODE = "0x80000000";
/** By which a node reaches the others, where Antrea has the switch and its tunnels. */
const UNDERLAY = "eth0";
const KNOWN = [
  "ct state established,related accept",
  "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
];

export const ANTREA: Rules = {
  name: "rules as Antrea's",
  table: "inet antrea_like",
  hooks: hooksFor,
};

function hooksFor(pods: readonly PodChains[]): string[] {
  const links = pods.map(({ link }) => `"${link}"`).join(", ");
  const egress = pods.flatMap(({ addresses, from }) =>
    addresses.map((address) => `${headerOf(address)} saddr ${address} jump ${from}`),
  );
  const toSwitch = `oifname { ${links}, "${UNDERLAY}" }`;
  const toPods = CLUSTER_CIDRS.map(
    (cidr) => `${toSwitch} ${headerOf(cidr)} daddr ${cidr} jump egress`,
  );
  return [
    ...["  chain egress {", ...egress, "  }"],
    // Before kube-proxy's NAT and Portico's capture alike.
    ...hook("prerouting", "mangle - 5", [
      ...KNOWN,
      ...SERVICE_CIDRS.map((cidr) => `${headerOf(cidr)} daddr ${cidr} accept`),
      ...pods.map(({ link, from }) => `iifname "${link}" jump ${from}`),
    ]),
    ...hook("output", "mangle", [
      `oifname { ${links} } fib saddr type local meta mark set meta mark | ${FROM_NODE}`,
    ]),
    // The switch comes after all hooks.
    ...hook("postrouting", "srcnat + 10000", [
      ...KNOWN,
      `meta mark & ${FROM_NODE} != 0 accept`,
      ...toPods,
      ...pods.map(({ link, to }) => `oifname "${link}" jump ${to}`),
    ]),
  ];
}

function headerOf(addressOrCIDR: string): "ip" | "ip6" {
  return familyOf(addressOrCIDR.replace(/\/.*/, "")) === "IPv4" ? "ip" : "ip6";
}
