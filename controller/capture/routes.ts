// Where captured packets go → `ip` commands. Pure: reads what `ip -j` printed, says which commands
// to run; apply.ts runs them.
//
//    rule   packets with Portico's mark → Portico's table
//    table  everything is local, on lo
//
// So captured packets are delivered to Envoy's sockets, and what a host process sends to a Service
// turns round on lo and comes by the same chains as a Pod's packet, from the source that it would
// have had without. No route and no rule names a Service CIDR: its addresses would be the host's
// own for somebody. A route in the table `local` makes the node answer ARP for them, and host
// listeners on all addresses answer on them; a rule for the host's packets to them keeps the kernel
// from saying a host process that its datagram was refused, and in IPv6 it makes them local to
// nftables' `fib daddr type`, by which port mappings (CNI portmap, Docker) would catch Services.

import type { Family } from "./families.ts";
import type { CaptureOptions } from "./options.ts";

/** The routing protocol number that rules and routes carry: what has it is Portico's. */
export const PROTOCOL = 87;

/** Of one family: rules and routes as `ip rule add` and `ip route add` want them. */
export interface Routing {
  rules: readonly string[];
  routes: readonly string[];
}

/** Arguments that print all rules of a family, as routingFrom reads them. */
export function showRules({ ipOption }: Family): string[] {
  return `-N -j ${ipOption} rule show`.split(" ");
}

/** The same for Portico's routes. */
export function showRoutes({ ipOption }: Family): string[] {
  return `-N -j ${ipOption} route show table all type local proto ${PROTOCOL}`.split(" ");
}

export function wantedRouting({ markBit, routeTable, rulePriority }: CaptureOptions): Routing {
  const bit = `0x${markBit.toString(16)}`;
  return {
    rules: [`fwmark ${bit}/${bit} table ${routeTable} priority ${rulePriority}`],
    routes: [`local default dev lo table ${routeTable}`],
  };
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

interface PrintedRoute {
  dst: string;
  dev?: string;
  table?: string;
  prefsrc?: string;
}

/** From the JSON that showRules and showRoutes have ip print. */
export function routingFrom({ bits }: Family, rules: string, routes: string): Routing {
  return {
    // `ip rule show protocol 87` shows the rules of all protocols (iproute2 6.1).
    rules: parsed<PrintedRule>(rules)
      .filter(({ protocol }) => protocol === String(PROTOCOL))
      .map((rule) => ruleText(rule, bits)),
    routes: parsed<PrintedRoute>(routes).map(routeText),
  };
}

/** Nothing is printed, not even "[]", when nothing is there. */
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

function routeText({ dst, dev, table, prefsrc }: PrintedRoute): string {
  const device = dev === undefined ? "" : ` dev ${dev}`;
  const source = prefsrc === undefined ? "" : ` src ${prefsrc}`;
  return `local ${dst}${device} table ${table ?? 254}${source}`;
}

/**
 * Lines for `ip -batch` of the family that turn `present` into `wanted`; none when they are equal.
 * What is wanted comes before what is removed, and a route is replaced in one step, so that at no
 * moment a captured packet finds no way.
 */
export function routingChanges(present: Routing, wanted: Routing): string[] {
  const own = `protocol ${PROTOCOL}`;
  const missing = (from: readonly string[], list: readonly string[]) =>
    list.filter((each) => !from.includes(each));
  const replaced = new Set(wanted.routes.map(withoutSource));
  return [
    ...missing(present.routes, wanted.routes).map((route) => `route replace ${route} ${own}`),
    ...missing(present.rules, wanted.rules).map((rule) => `rule add ${rule} ${own}`),
    ...missing(wanted.rules, present.rules).map((rule) => `rule del ${rule} ${own}`),
    ...missing(wanted.routes, present.routes)
      .filter((route) => !replaced.has(withoutSource(route)))
      .map((route) => `route del ${route} ${own}`),
  ];
}

function withoutSource(route: string): string {
  return route.replace(/ src .*$/, "");
}
