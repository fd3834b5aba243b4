// The pair of links by which the node forwards Envoy's first packets to itself (policy-hook.ts) →
// commands of `ip` that make, repair and remove it. Pure; policy-links.ts runs them.
//
// Both ends have the same link-layer address and no ARP, so no lookup is needed. The end where
// packets come in has an IPv4 address, or a loose reverse path filter would drop them; it is RFC
// 7600's for this purpose, with host scope.

import type { IPFamily } from "../model/types.ts";

export const OUT_LINK = "portico0";
export const IN_LINK = "portico1";
/** The node does not answer at it: node ports do not use it. */
export const IN_ADDRESS = "192.0.0.8";

/** The group of the links, which marks them as Portico's. */
const GROUP = 87;
const LINK_ADDRESS = "02:70:6f:72:74:69";
/**
 * The way to the backend decides what is too long, and not these links. IPv6 has a smaller MTU by
 * its route (routes.ts).
 */
const MTU = 65_535;

/** Arguments of `ip` that print Portico's links as linkChanges reads them. */
export const SHOW_LINKS: readonly string[] = `-N -j address show group ${GROUP}`.split(" ");

/** Arguments of `ip` that print the settings of the second one as forwardingFrom reads them. */
export const SHOW_FORWARDING: readonly string[] = `netconf show dev ${IN_LINK}`.split(" ");

interface PrintedLink {
  ifname?: string;
  link?: string;
  flags?: string[];
  mtu?: number;
  address?: string;
  addr_info?: { family: string; local: string; prefixlen: number }[];
}

/**
 * Returns lines for `ip -batch` that turn the links that `printed` shows into the wanted ones, or
 * remove them; no lines when nothing differs. Links that differ in anything are made again.
 */
export function linkChanges(
  printed: string,
  isWanted: boolean,
  families: readonly IPFamily[],
): string[] {
  const present = linksIn(printed);
  const isThere = (name: string) => present.some(({ ifname }) => ifname === name);
  const removal = [OUT_LINK, IN_LINK].filter(isThere).slice(0, 1);
  const removals = removal.map((name) => `link delete ${name}`);
  if (!isWanted) return removals;
  if (isSound(present)) return [];
  const attributes = `address ${LINK_ADDRESS} mtu ${MTU} arp off group ${GROUP}`;
  const links = [OUT_LINK, IN_LINK];
  return [
    ...removals,
    `link add ${OUT_LINK} ${attributes} type veth peer name ${IN_LINK} ${attributes}`,
    ...(families.includes("IPv6") ? links.map((link) => `link set ${link} addrgenmode none`) : []),
    `address add ${IN_ADDRESS}/32 dev ${IN_LINK} scope host`,
    `link set ${IN_LINK} up`,
    `link set ${OUT_LINK} up`,
  ];
}

/** Returns the names of Portico's links in what SHOW_LINKS printed. */
export function linkNames(printed: string): string[] {
  return linksIn(printed).flatMap(({ ifname }) => ifname ?? []);
}

function linksIn(printed: string): PrintedLink[] {
  const all = printed.trim() === "" ? [] : (JSON.parse(printed) as PrintedLink[]);
  return all.filter(({ ifname }) => ifname !== undefined);
}

function isSound(links: readonly PrintedLink[]): boolean {
  const [first, second] = [OUT_LINK, IN_LINK].map((name) =>
    links.find(({ ifname }) => ifname === name),
  );
  if (!first || !second || first.link !== IN_LINK) return false;
  const hasAddress = second.addr_info?.some(({ local }) => local === IN_ADDRESS) ?? false;
  return hasAddress && [first, second].every(isAsMade);
}

function isAsMade({ flags = [], mtu, address }: PrintedLink): boolean {
  return flags.includes("UP") && flags.includes("NOARP") && mtu === MTU && address === LINK_ADDRESS;
}

/**
 * Returns the families that the node forwards from the second link, from what SHOW_FORWARDING
 * printed. Both families need a setting of the node, as routed Pods do.
 */
export function forwardingFrom(printed: string): IPFamily[] {
  const isOn = (name: string) => new RegExp(`^${name} .*\\bforwarding on\\b`, "m").test(printed);
  return [
    ...(isOn("inet") ? (["IPv4"] as const) : []),
    ...(isOn("inet6") ? (["IPv6"] as const) : []),
  ];
}
