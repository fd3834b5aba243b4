// Facts → what else uses the addresses that Portico needs for itself, or that Services have. Pure.

import { cidrContains } from "../model/ip.ts";
import { UDP_LISTENER_CIDRS } from "../xds/udp-address-book.ts";
import type { CheckSettings, NodeFacts } from "./facts.ts";
import { type Finding, listed } from "./finding.ts";

const SHOW_ADDRESSES = "ip address";
const SHOW_ROUTES = "ip route show table all";
/**
 * Interfaces that hold cluster IPs on purpose, and have findings of their own: all cluster IPs with
 * kube-proxy in ipvs mode, that of the cluster's DNS with NodeLocal DNSCache.
 */
const LINKS_OF_SERVICES = ["kube-ipvs0", "nodelocaldns"];

/**
 * Reports addresses and routes of the node that lie in the ranges of Envoy's UDP listeners or of
 * Services. When no Service CIDR is known, it adds a note.
 */
export function addressFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  return [...listenerRangeFindings(facts), ...serviceRangeFindings(facts, settings)];
}

/** Reports on the addresses that Envoy's UDP listeners are bound to, one for each UDP frontend. */
function listenerRangeFindings(facts: NodeFacts): Finding[] {
  const what = "addresses that Portico uses inside the node for UDP are taken";
  const todo = "remove them: Portico's addresses are fixed";
  const conflicts = conflictsWith(UDP_LISTENER_CIDRS, facts);
  return conflicts.map(([seen, show]) => ({ level: "blocker", what, seen, todo, show }));
}

function serviceRangeFindings(facts: NodeFacts, { serviceCIDRs }: CheckSettings): Finding[] {
  if (serviceCIDRs.length === 0) {
    return [
      {
        level: "note",
        what: "the Service CIDRs are unknown, so they are not checked",
        seen: "none configured, none in kube-proxy's rules",
        todo: "set --service-cidr",
        show: "kubectl get servicecidrs",
      },
    ];
  }
  const what = `a Service CIDR (${listed(serviceCIDRs)}) overlaps the node's addresses or routes`;
  const todo =
    "change the node's addresses and routes: a Service cannot use an address that the node " +
    "has, and a route may misdirect host processes";
  const conflicts = conflictsWith(serviceCIDRs, facts);
  if (conflicts.length > 0) {
    return conflicts.map(([seen, show]) => ({ level: "warning", what, seen, todo, show }));
  }
  return [
    {
      level: "ok",
      what: "Service CIDRs overlap no address or route of the node",
      seen: listed(serviceCIDRs),
      todo: "",
      show: `${SHOW_ADDRESSES}; ${SHOW_ROUTES}`,
    },
  ];
}

/** Returns what conflicts, and the command that shows it. */
function conflictsWith(cidrs: readonly string[], facts: NodeFacts): [string, string][] {
  const addresses = (facts.links ?? [])
    .filter(({ name }) => !LINKS_OF_SERVICES.includes(name))
    .flatMap((link) => link.addresses.map((address) => ({ address, name: link.name })))
    .filter(({ address }) => cidrs.some((cidr) => cidrContains(cidr, address)));
  const own = new Set(addresses.map(({ address }) => address));
  const routes = facts.routes.filter(({ destination, dev, isOwn }) => {
    const [network = "", bits] = destination.split("/");
    if (isOwn || bits === "0" || LINKS_OF_SERVICES.includes(dev) || own.has(network)) return false;
    return cidrs.some((cidr) => overlap(cidr, destination));
  });
  return [
    ...addresses.map(({ address, name }): [string, string] => [
      `${address} on ${name}`,
      `ip address show ${name}`,
    ]),
    ...routes.map(({ destination, dev, table }): [string, string] => [
      `route ${destination}${dev === "" ? "" : ` dev ${dev}`} in table ${table}`,
      SHOW_ROUTES,
    ]),
  ];
}

function overlap(a: string, b: string): boolean {
  return cidrContains(a, networkOf(b)) || cidrContains(b, networkOf(a));
}

function networkOf(cidr: string): string {
  return cidr.split("/")[0] ?? "";
}
