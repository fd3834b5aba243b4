// A node → the facts of its bridges that bridge.ts needs. Reads, and changes nothing.

import { readFile } from "node:fs/promises";
import { familyOf, parseCIDR } from "../model/ip.ts";
import type { IPFamily } from "../model/types.ts";
import { unlessShort } from "../system/shortage.ts";

/** The facts of the node's bridges that the chains depend on. */
export interface BridgeFacts {
  /** Whether br_netfilter is loaded, so that any bridge may call iptables. */
  hasNetfilter: boolean;
  /** Families whose packets some bridge may show to iptables. */
  calling: readonly IPFamily[];
  /** Networks whose hosts reach each other past the IP hooks. */
  unseen: readonly BridgedNetwork[];
}

export interface BridgedNetwork {
  /** The interface's name. */
  bridge: string;
  /** Canonical. */
  cidr: string;
}

/** Whether bridges of a network namespace call iptables; undefined without br_netfilter. */
export type BridgeCalls = Readonly<Record<IPFamily, boolean>> | undefined;

/** br_netfilter creates this folder in each network namespace (Linux 5.3). */
const SETTINGS = "/proc/sys/net/bridge";
const CALLS = {
  IPv4: { setting: "bridge-nf-call-iptables", own: "nf_call_iptables" },
  IPv6: { setting: "bridge-nf-call-ip6tables", own: "nf_call_ip6tables" },
} as const;

const FAMILIES: readonly IPFamily[] = ["IPv4", "IPv6"];

/** The sysctls' names, as operators write them. */
export const CALL_SYSCTLS: Readonly<Record<IPFamily, string>> = {
  IPv4: `net.bridge.${CALLS.IPv4.setting}`,
  IPv6: `net.bridge.${CALLS.IPv6.setting}`,
};

/** Their files, which exist with br_netfilter alone. */
export const CALL_FILES: readonly string[] = Object.values(CALLS).map(
  ({ setting }) => `${SETTINGS}/${setting}`,
);

/** Arguments of `ip` that print all bridges as bridgeFactsFrom reads them. */
const SHOW_BRIDGES = ["-j", "-d", "address", "show", "type", "bridge"];

export interface Bridges {
  names: readonly string[];
  calls: BridgeCalls;
  facts: BridgeFacts;
}

/** `ip` resolves with what the program of that name prints, and rejects when it fails. */
export async function readBridges(
  ip: (args: readonly string[]) => Promise<string>,
  readCalls = () => readBridgeCalls(),
): Promise<Bridges> {
  const printed = await ip(SHOW_BRIDGES);
  const calls = await readCalls();
  return { names: bridgesIn(printed), calls, facts: bridgeFactsFrom(calls, printed) };
}

/** Rejects when the sysctls cannot be read. */
export async function readBridgeCalls(folder = SETTINGS): Promise<BridgeCalls> {
  const read = (family: IPFamily) =>
    readFile(`${folder}/${CALLS[family].setting}`, "utf8").catch(unlessShort(undefined));
  return bridgeCallsFrom({ IPv4: await read("IPv4"), IPv6: await read("IPv6") });
}

/** From the values of the two sysctls; undefined where there is none. */
export function bridgeCallsFrom({ IPv4, IPv6 }: Record<IPFamily, string | undefined>): BridgeCalls {
  const isOn = (text: string | undefined) => text !== undefined && text.trim() !== "0";
  return IPv4 === undefined ? undefined : { IPv4: isOn(IPv4), IPv6: isOn(IPv6) };
}

interface PrintedBridge {
  ifname?: string;
  /** A bridge may call iptables by a setting of its own; 0 or 1. */
  linkinfo?: { info_kind?: string; info_data?: Record<string, unknown> };
  addr_info?: { family: string; local: string; prefixlen: number; scope: string }[];
}

/** The names of the bridges in what SHOW_BRIDGES printed. */
export function bridgesIn(printed: string): string[] {
  return parsed(printed).map(({ ifname = "" }) => ifname);
}

/**
 * Returns what the chains depend on, from the two sysctls and the JSON that SHOW_BRIDGES printed.
 * Networks are those of addresses of global scope, each once and sorted.
 */
export function bridgeFactsFrom(calls: BridgeCalls, printed: string): BridgeFacts {
  const bridges = parsed(printed);
  const isCalling = (family: IPFamily) =>
    calls?.[family] || (calls !== undefined && bridges.some((each) => callsItself(each, family)));
  return {
    hasNetfilter: calls !== undefined,
    calling: FAMILIES.filter(isCalling),
    unseen: bridges.flatMap((bridge) => unseenOf(bridge, calls)),
  };
}

/** Reports whether the bridge itself is set to call iptables, whatever the sysctl says. */
function callsItself({ linkinfo }: PrintedBridge, family: IPFamily): boolean {
  return linkinfo?.info_data?.[CALLS[family].own] === 1;
}

function unseenOf(bridge: PrintedBridge, calls: BridgeCalls): BridgedNetwork[] {
  const { ifname = "", addr_info: addresses = [] } = bridge;
  const cidrs = addresses
    .filter(({ scope }) => scope === "global")
    .map(({ local, prefixlen }) => parseCIDR(`${local}/${prefixlen}`))
    .filter((cidr) => cidr !== undefined);
  const isSeen = (cidr: string) => {
    const family = familyOf(cidr);
    return calls !== undefined && (calls[family] || callsItself(bridge, family));
  };
  return [...new Set(cidrs)].sort().flatMap((cidr) => {
    return isSeen(cidr) ? [] : [{ bridge: ifname, cidr }];
  });
}

/** Returns all links; ip prints an empty object, or nothing, for those that were not asked for. */
function parsed(printed: string): PrintedBridge[] {
  const all = printed.trim() === "" ? [] : (JSON.parse(printed) as PrintedBridge[]);
  return all.filter(({ linkinfo }) => linkinfo?.info_kind === "bridge");
}
