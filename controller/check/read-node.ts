// A machine → facts. The only file of this room that knows where things are on a node; it reads and
// changes nothing. (Where bridges call iptables it makes a table of its own for the duration of a
// trial: capture/hook-order.ts.)

import {
  bridgeCallsFrom,
  bridgeFactsFrom,
  bridgesIn,
  CALL_SYSCTLS,
} from "../capture/bridge-facts.ts";
import { hookOrder } from "../capture/hook-order.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import type { IPFamily } from "../model/types.ts";
import { capturedFamilies } from "../system/ip-families.ts";
import type { CheckSettings, NftFacts, NodeFacts } from "./facts.ts";
import { missingFeatures } from "./features.ts";
import type { Machine } from "./machine.ts";
import { linksFrom, listenersFrom, routesFrom, rulesFrom } from "./network-facts.ts";
import { nftFactsFrom, serviceCIDRsFromKubeProxy } from "./nft-facts.ts";

const XTABLES = [
  "iptables-save",
  "ip6tables-save",
  "iptables-legacy-save",
  "ip6tables-legacy-save",
];
const SYSCTLS = [
  "net.ipv4.ip_forward",
  "net.ipv6.conf.all.forwarding",
  "net.ipv4.tcp_early_demux",
  "net.ipv4.conf.all.rp_filter",
  "net.ipv4.ip_local_port_range",
  ...Object.values(CALL_SYSCTLS),
  "net.netfilter.nf_conntrack_count",
  "net.netfilter.nf_conntrack_max",
];
const INTERFACES = "/proc/sys/net/ipv4/conf";
const PINNED = "/sys/fs/bpf/tc/globals";
/** The abstract socket that a controller holds (system/node-lock.ts). */
const LOCK = /@portico$/m;
const FAMILIES = [
  ["IPv4", "-4"],
  ["IPv6", "-6"],
] as const;

interface NodeReading {
  facts: NodeFacts;
  /** From kube-proxy's rules; empty when there are none. */
  serviceCIDRs: readonly string[];
}

/**
 * Reads all facts of the node. What cannot be read is undefined or empty, as NodeFacts says, and
 * not an error.
 */
export async function readNode(machine: Machine, settings: CheckSettings): Promise<NodeReading> {
  const nftJson = await printed(machine, "nft", ["--json", "--terse", "list", "ruleset"]);
  const families = capturedFamilies();
  const addresses = await printed(machine, "ip", ["-j", "-d", "address"]);
  const facts: NodeFacts = {
    nft: nftJson === undefined ? undefined : nftFactsFrom(nftJson),
    missingFeatures: nftJson === undefined ? [] : await tried(machine, settings, families),
    xtables: await xtables(machine),
    links: addresses === undefined ? undefined : linksFrom(addresses),
    ...(await bridges(machine, addresses ?? "")),
    ...(await routing(machine)),
    listeners: await listeners(machine),
    processes: await processes(machine),
    proxyMode: await proxyMode(machine, settings),
    virtualServers: await virtualServers(machine),
    sysctls: await sysctls(machine),
    descriptors: await descriptors(machine),
    porticoRuns: LOCK.test((await machine.file("/proc/net/unix")) ?? ""),
    families,
    pinned: await machine.names(PINNED),
  };
  const serviceCIDRs = nftJson === undefined ? [] : serviceCIDRsFromKubeProxy(nftJson);
  return { facts: { ...facts, nft: withVersion(facts.nft) }, serviceCIDRs };
}

/** Adds the version, which nft prints only in JSON, and an older nft perhaps not at all. */
function withVersion(nft: NftFacts | undefined): NftFacts | undefined {
  return nft && { ...nft, version: /\d+\.\d+(\.\d+)?/.exec(nft.version)?.[0] ?? "" };
}

/** Returns undefined when the program cannot be run, or fails. */
async function printed(
  machine: Machine,
  program: string,
  args: readonly string[],
): Promise<string | undefined> {
  const result = await machine.run(program, args);
  return result?.code === 0 ? result.stdout : undefined;
}

function tried(machine: Machine, settings: CheckSettings, families: readonly IPFamily[]) {
  const { markBit, routeTable, rulePriority } = settings;
  return missingFeatures(machine, {
    ...DEFAULT_CAPTURE_OPTIONS,
    markBit,
    routeTable,
    rulePriority,
    families,
  });
}

async function xtables(machine: Machine): Promise<string[]> {
  const all = XTABLES.map((program) => printed(machine, program, []));
  const texts = (await Promise.all(all)).filter((text) => text !== undefined);
  const isOfUse = (line: string) => /^[:-]/.test(line);
  return [...new Set(texts.flatMap((text) => text.split("\n")).filter(isOfUse))];
}

async function routing(machine: Machine): Promise<Pick<NodeFacts, "routes" | "rules">> {
  const each = FAMILIES.map(async ([family, option]) => {
    const show = `-N -j ${option} route show table all`.split(" ");
    const routes = (await printed(machine, "ip", show)) ?? "";
    const rules = (await printed(machine, "ip", ["-j", option, "rule", "show"])) ?? "";
    return { routes: routesFrom(family, routes), rules: rulesFrom(family, rules) };
  });
  const both = await Promise.all(each);
  return {
    routes: both.flatMap(({ routes }) => routes),
    rules: both.flatMap(({ rules }) => rules),
  };
}

/** Tries the order of hooks only where it matters. */
async function bridges(
  machine: Machine,
  printed: string,
): Promise<Pick<NodeFacts, "unseenNetworks" | "hookOrder">> {
  const [IPv4, IPv6] = await Promise.all(
    FAMILIES.map(([family]) => machine.file(fileOf(CALL_SYSCTLS[family]))),
  );
  const calls = bridgeCallsFrom({ IPv4, IPv6 });
  const { unseen } = bridgeFactsFrom(calls, printed);
  const matters = calls !== undefined && bridgesIn(printed).length > 0;
  return { unseenNetworks: unseen, hookOrder: matters ? await hookOrder(machine.run) : undefined };
}

async function listeners(machine: Machine): Promise<NodeFacts["listeners"]> {
  const tables = (["TCP", "UDP"] as const).flatMap((protocol) =>
    ["", "6"].map(async (suffix) => {
      const table = await machine.file(`/proc/net/${protocol.toLowerCase()}${suffix}`);
      return listenersFrom(protocol, table ?? "");
    }),
  );
  return (await Promise.all(tables)).flat();
}

/** Returns those of this network namespace: others are of other nodes, or in Pods. */
async function processes(machine: Machine): Promise<string[]> {
  const own = await machine.link("/proc/self/ns/net");
  const pids = (await machine.names("/proc")).filter((name) => /^\d+$/.test(name));
  const names = pids.map(async (pid) => {
    const namespace = await machine.link(`/proc/${pid}/ns/net`);
    return namespace === own ? ((await machine.file(`/proc/${pid}/comm`)) ?? "") : "";
  });
  return [...new Set(await Promise.all(names))].filter((name) => name !== "");
}

async function proxyMode(machine: Machine, { metricsPort }: CheckSettings) {
  return machine.get(`http://127.0.0.1:${metricsPort ?? 10_249}/proxyMode`);
}

async function virtualServers(machine: Machine): Promise<number> {
  const table = await machine.file("/proc/net/ip_vs");
  return table === undefined ? -1 : [...table.matchAll(/^(TCP|UDP|SCTP|FWM) /gm)].length;
}

async function sysctls(machine: Machine): Promise<Map<string, string>> {
  const interfaces = (await machine.names(INTERFACES)).sort();
  const names = [...SYSCTLS, ...interfaces.map((name) => `net.ipv4.conf.${name}.src_valid_mark`)];
  const values = names.map(async (name) => [name, await machine.file(fileOf(name))] as const);
  const present = (await Promise.all(values)).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return new Map(present);
}

/** An interface's name may contain dots, which separate no folders. */
function fileOf(sysctl: string): string {
  const [, name, setting] = /^net\.ipv4\.conf\.(.*)\.(\w+)$/.exec(sysctl) ?? [];
  if (name !== undefined) return `${INTERFACES}/${name}/${setting}`;
  return `/proc/sys/${sysctl.replaceAll(".", "/")}`;
}

async function descriptors(machine: Machine): Promise<number> {
  const limits = (await machine.file("/proc/self/limits")) ?? "";
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === undefined || hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
}
