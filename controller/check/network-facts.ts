// What `ip --json` and /proc/net print → links, routes, rules and listeners. Pure. Portico's own
// rules and routes are left out.

import { PROTOCOL } from "../capture/routes.ts";
import { parseAddress, parseCIDR } from "../model/ip.ts";
import type { IPFamily } from "../model/types.ts";
import type { Link, Listener, Route, Rule } from "./facts.ts";

const OWN = String(PROTOCOL);
const OWN_TYPES = ["local", "broadcast", "anycast", "multicast"];
const EVERYBODY: Record<IPFamily, string> = { IPv4: "0.0.0.0/0", IPv6: "::/0" };
const BITS: Record<IPFamily, number> = { IPv4: 32, IPv6: 128 };
/** The kernel's states of sockets (net/tcp_states.h): listening; a UDP socket has the other. */
const LISTENING = { TCP: "0A", UDP: "07" };

interface PrintedLink {
  ifname?: string;
  master?: string;
  linkinfo?: { info_kind?: string };
  addr_info?: { local?: string }[];
}

/** Reads `ip -j -d address`, which prints {} for what it does not show. */
export function linksFrom(json: string): Link[] {
  return parsed<PrintedLink>(json)
    .filter(({ ifname }) => ifname !== undefined)
    .map(({ ifname = "", master, linkinfo, addr_info = [] }) => ({
      name: ifname,
      kind: linkinfo?.info_kind ?? "",
      master,
      addresses: addr_info.flatMap(({ local = "" }) => parseAddress(local) ?? []),
    }));
}

interface PrintedRoute {
  dst: string;
  type?: string;
  dev?: string;
  table?: string;
  protocol?: string;
}

/** Reads `ip -N -j route show table all`; a route of the table main names no table. */
export function routesFrom(family: IPFamily, json: string): Route[] {
  return parsed<PrintedRoute>(json)
    .filter(({ protocol }) => protocol !== OWN)
    .map(({ dst, type, dev = "", table = "254", protocol = "" }) => {
      const isOwn = OWN_TYPES.includes(type ?? "");
      return { family, destination: cidrFrom(family, dst), isOwn, table, dev, protocol };
    });
}

function cidrFrom(family: IPFamily, destination: string): string {
  if (destination === "default") return EVERYBODY[family];
  const cidr = destination.includes("/") ? destination : `${destination}/${BITS[family]}`;
  return parseCIDR(cidr) ?? EVERYBODY[family];
}

interface PrintedRule {
  priority: number;
  src?: string;
  protocol?: string;
  fwmark?: string;
  fwmask?: string;
  table?: string;
  [selector: string]: unknown;
}

/** Fields of a rule that do not select packets, or that have code of their own. */
const NO_SELECTORS = [
  ...["priority", "protocol", "not", "fwmark", "fwmask"],
  ...["table", "action", "goto", "nop", "unresolved", "suppress_prefixlen", "suppress_ifgroup"],
];

/** Reads `ip -j rule show`; -N would number the table local. */
export function rulesFrom(family: IPFamily, json: string): Rule[] {
  return parsed<PrintedRule>(json)
    .filter(({ protocol }) => protocol !== OWN)
    .map((rule) => {
      const { priority, protocol = "", fwmark, fwmask, table = "", src } = rule;
      const others = Object.keys(rule).filter((key) => !NO_SELECTORS.includes(key));
      const asksMore = others.some((key) => key !== "src" || src !== "all");
      const [isInverted, isIdle] = ["not" in rule, "nop" in rule];
      const mark = markOf(fwmark, fwmask);
      return { family, priority, protocol, fwmark: mark, asksMore, isInverted, isIdle, table };
    });
}

/** Reads Portico's own rule from the same; undefined when it is missing. */
export function ownRuleFrom(json: string): { markBit: number; rulePriority: number } | undefined {
  const own = parsed<PrintedRule>(json).find(({ protocol }) => protocol === OWN);
  return own?.fwmark === undefined
    ? undefined
    : { markBit: Number(own.fwmark), rulePriority: own.priority };
}

function markOf(mark: string | undefined, mask = "0xffffffff") {
  return mark === undefined ? undefined : { value: Number(mark), mask: markMask(mark, mask) };
}

/** Without a mask, a rule tests the bits of its mark. */
function markMask(mark: string, mask: string): number {
  return mask === "0xffffffff" ? Number(mark) : Number(mask);
}

/** Reads a table of /proc/net: tcp, tcp6, udp or udp6. */
export function listenersFrom(protocol: "TCP" | "UDP", table: string): Listener[] {
  const lines = table.split("\n").slice(1);
  return lines.flatMap((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local.split(":");
    if (state !== LISTENING[protocol] || port === "") return [];
    return [{ protocol, address: addressFrom(address), port: Number.parseInt(port, 16) }];
  });
}

/** Words of four bytes in the machine's order, which is little-endian wherever Envoy runs. */
function addressFrom(hex: string): string {
  const bytes = [...Buffer.from(hex, "hex")];
  const words = Array.from({ length: bytes.length / 4 }, (_, index) =>
    bytes.slice(index * 4, index * 4 + 4).reverse(),
  ).flat();
  const text =
    words.length === 4
      ? words.join(".")
      : Array.from({ length: 8 }, (_, index) =>
          (((words[index * 2] ?? 0) << 8) | (words[index * 2 + 1] ?? 0)).toString(16),
        ).join(":");
  return parseAddress(text) ?? text;
}

/** ip prints nothing, not even "[]", when nothing is there. */
function parsed<T>(json: string): T[] {
  return json.trim() === "" ? [] : JSON.parse(json);
}
