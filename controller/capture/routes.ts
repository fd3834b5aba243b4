// Where captured packets go → `ip` commands. Pure: reads what `ip -j` printed, returns the commands
// to run; apply.ts runs them.
//
//    rule   packets with Portico's mark → Portico's table
//    table  everything is local, on lo
//    rule   packets that the node forwards to itself (policy-hook.ts) → the next table
//    table  everything is behind portico0
//
// So captured packets are delivered to Envoy's sockets. What a host process sends to a Service
// turns round on lo and passes the same chains as a Pod's packet, from the source that it would
// have had without. No route and no rule names a Service CIDR: its addresses would then count as
// the host's own. A route in the table `local` makes the node answer ARP for them, and host
// listeners on all addresses answer on them. A rule for the host's packets to them keeps the kernel
// from reporting to a host process that its datagram was refused. In IPv6 it also makes them local
// to nftables' `fib daddr type`, by which port mappings (CNI portmap, Docker) would catch Services.

import type { IPFamily } from "../model/types.ts";
import type { Family } from "./families.ts";
import type { CaptureOptions } from "./options.ts";
import { forwardMark } from "./policy-hook.ts";
import { OUT_LINK } from "./policy-link.ts";
import { hex } from "./rule-text.ts";

/** The routing protocol number of Portico's rules and routes. */
export const PROTOCOL = 87;

/** Rules and routes of one family, as `ip rule add` and `ip route add` take them. */
export interface Routing {
  rules: readonly string[];
  routes: readonly string[];
}

/** Returns arguments that print all rules of a family, as routingFrom reads them. */
export function showRules({ ipOption }: Family): string[] {
  return `-N -j ${ipOption} rule show`.split(" ");
}

/** Returns the same for Portico's routes. */
export function showRoutes({ ipOption }: Family): string[] {
  return `-N -j ${ipOption} route show table all proto ${PROTOCOL}`.split(" ");
}

/**
 * The IPv6 MTU of the way to the links. A datagram that arrives in fragments may be fragmented
 * again when it is forwarded; a whole one may not, whatever the MTU behind is.
 */
const EVERY_LINK_HAS = 1_280;

/**
 * Returns the rules and routes that one family needs. Those of the policy hook are among them only
 * where the node forwards that family.
 */
export function wantedRouting(options: CaptureOptions, family: IPFamily): Routing {
  const { markBit, routeTable, rulePriority, policyHook, forwarding } = options;
  const rule = (mark: number, table: number) => {
    const bits = hex(mark);
    return `fwmark ${bits}/${bits} table ${table} priority ${rulePriority}`;
  };
  const routing = {
    rules: [rule(markBit, routeTable)],
    routes: [`local default dev lo table ${routeTable}`],
  };
  if (policyHook === "output" || !forwarding.includes(family)) return routing;
  const table = policyTable(options);
  const mtu = family === "IPv6" ? ` mtu ${EVERY_LINK_HAS}` : "";
  return {
    rules: [...routing.rules, rule(forwardMark(options), table)],
    routes: [...routing.routes, `default dev ${OUT_LINK} table ${table}${mtu}`],
  };
}

/** Returns the table that leads to the links of policy-hook.ts. */
export function policyTable({ routeTable }: Pick<CaptureOptions, "routeTable">): number {
  return routeTable + 1;
}

interface PrintedRule {
  dst?: string;
  dstlen?: number;
  fwmark?: string;
  fwmask?: string;
  iif?: string;
  table: string;
  priority: number;
  protocol?: string;
}

/** The type of route as rtnetlink numbers it; a route without one is unicast. */
const LOCAL = "2";

interface PrintedRoute {
  type?: string;
  dst: string;
  dev?: string;
  table?: string;
  prefsrc?: string;
  metrics?: readonly { mtu?: number }[];
}

/** Reads the JSON that ip prints for showRules and showRoutes. */
export function routingFrom({ bits }: Family, rules: string, routes: string): Routing {
  return {
    // `ip rule show protocol 87` shows the rules of all protocols (iproute2 6.1).
    rules: parsed<PrintedRule>(rules)
      .filter(({ protocol }) => protocol === String(PROTOCOL))
      .map((rule) => ruleText(rule, bits)),
    routes: parsed<PrintedRoute>(routes).map(routeText),
  };
}

/** ip prints nothing, not even "[]", when nothing is there. */
function parsed<T>(json: string): T[] {
  return json.trim() === "" ? [] : JSON.parse(json);
}

function ruleText(rule: PrintedRule, bits: number): string {
  const { dst, dstlen, fwmark, fwmask, iif, table, priority } = rule;
  return [
    dst === undefined ? [] : [`to ${dst}/${dstlen ?? bits}`],
    fwmark === undefined ? [] : [`fwmark ${fwmark}/${fwmask ?? "0xffffffff"}`],
    iif === undefined ? [] : [`iif ${iif}`],
    [`table ${table} priority ${priority}`],
  ]
    .flat()
    .join(" ");
}

function routeText({ type, dst, dev, table, prefsrc, metrics }: PrintedRoute): string {
  const mtu = metrics?.find((metric) => metric.mtu !== undefined)?.mtu;
  const local = type === LOCAL ? "local " : "";
  const device = dev === undefined ? "" : ` dev ${dev}`;
  const source = prefsrc === undefined ? "" : ` src ${prefsrc}`;
  const size = mtu === undefined ? "" : ` mtu ${mtu}`;
  return `${local}${dst}${device} table ${table ?? 254}${size}${source}`;
}

/**
 * Returns lines for `ip -batch` of the family that turn `present` into `wanted`; none when they are
 * equal. Additions come before removals, and a route is replaced in one step, so that a captured
 * packet finds its way at every moment.
 */
export function routingChanges(present: Routing, wanted: Routing): string[] {
  return [...routingAdditions(present, wanted), ...routingRemovals(present, wanted)];
}

/** Returns those of these lines that make what is wanted and missing. */
export function routingAdditions(present: Routing, wanted: Routing): string[] {
  return [
    ...missing(present.routes, wanted.routes).map((route) => `route replace ${route} ${OWN}`),
    ...missing(present.rules, wanted.rules).map((rule) => `rule add ${rule} ${OWN}`),
  ];
}

/** Returns those that remove what is there and not wanted. */
export function routingRemovals(present: Routing, wanted: Routing): string[] {
  const replaced = new Set(wanted.routes.map(withoutAttributes));
  return [
    ...missing(wanted.rules, present.rules).map((rule) => `rule del ${rule} ${OWN}`),
    ...missing(wanted.routes, present.routes)
      .filter((route) => !replaced.has(withoutAttributes(route)))
      .map((route) => `route del ${route} ${OWN}`),
  ];
}

const OWN = `protocol ${PROTOCOL}`;

function missing(from: readonly string[], list: readonly string[]): string[] {
  return list.filter((each) => !from.includes(each));
}

function withoutAttributes(route: string): string {
  return route.replace(/ (?:mtu|src) .*$/, "");
}
