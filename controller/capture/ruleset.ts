// Capture set → text for `nft -f`: the whole table, or the elements in which two sets differ. Pure;
// does not run anything (apply.ts) and knows no routes (routes.ts).
//
// The chains are constant. What changes are the elements of four sets for each address family:
//
//    frontends_v4        (address . protocol . port) → goto verdict_keep | verdict_masquerade | …
//    cluster_ips_v4      addresses whose other ports, and pings, are refused
//    service_cidrs_v4    prefixes whose other addresses are dropped
//    own_backends_v4     (address . address) of local backends that may be picked for themselves
//
// To add a family: an entry in FAMILIES, and its routes in routes.ts.

import { familyOf } from "../model/ip.ts";
import type { IPFamily } from "../model/types.ts";
import type { CaptureSet, FrontendKey, Verdict } from "../node/types.ts";
import type { CaptureOptions } from "./options.ts";

/** The table that is Portico's, whole; it has no other. */
export const TABLE = "inet portico";

/** After firewalls, which may want to see the mark. */
const LAST_IN_INPUT = 300;

interface Family {
  family: IPFamily;
  /** How nftables calls its header, and the type of its addresses. */
  header: "ip" | "ip6";
  type: "ipv4_addr" | "ipv6_addr";
  suffix: "v4" | "v6";
  /** An address that Envoy's capture listeners, bound to every address, are found by. */
  loopback: string;
}

const FAMILIES: readonly Family[] = [
  { family: "IPv4", header: "ip", type: "ipv4_addr", suffix: "v4", loopback: "127.0.0.1" },
];

/** What a part of the capture set becomes: the elements of a set, or of a map to verdicts. */
interface ElementSet {
  name: string;
  /** Attributes of its declaration. */
  attributes: (family: Family) => string[];
  part: (set: CaptureSet) => ReadonlyMap<string, Verdict> | readonly string[];
  /** From one entry of the part: its address, which says the family, and the element's key. */
  key: (entry: string) => { address: string; text: string };
}

const ELEMENT_SETS: readonly ElementSet[] = [
  {
    name: "frontends",
    attributes: ({ type }) => [`type ${type} . inet_proto . inet_service : verdict`],
    part: (set) => set.verdicts,
    key: frontendElementKey,
  },
  {
    name: "cluster_ips",
    attributes: ({ type }) => [`type ${type}`],
    part: (set) => set.clusterIPs,
    key: (address) => ({ address, text: address }),
  },
  {
    name: "service_cidrs",
    attributes: ({ type }) => [`type ${type}`, "flags interval"],
    part: (set) => set.serviceCIDRs,
    key: (cidr) => ({ address: cidr.slice(0, cidr.indexOf("/")), text: cidr }),
  },
  {
    name: "own_backends",
    attributes: ({ type }) => [`type ${type} . ${type}`],
    part: (set) => set.localEndpoints,
    key: (address) => ({ address, text: `${address} . ${address}` }),
  },
];

/**
 * The script that puts the whole table in the place of whatever is there under its name. One
 * transaction: every packet meets the old table or the new one. Connections live through it, since
 * what they are recognised by is outside the table: Envoy's sockets, and connection marks.
 */
export function rulesetFrom(set: CaptureSet, options: CaptureOptions): string {
  return [
    `table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    ...FAMILIES.flatMap((family) => ELEMENT_SETS.flatMap((each) => declare(each, family, set))),
    ...verdictChains(options),
    ...hookChains(options),
    "}",
    "",
  ].join("\n");
}

/** The script that turns the elements of `previous` into those of `next`; "" if nothing differs. */
export function elementChanges(previous: CaptureSet, next: CaptureSet): string {
  const deletions: string[] = [];
  const additions: string[] = [];
  for (const elementSet of ELEMENT_SETS) {
    const [before, after] = [elementSet.part(previous), elementSet.part(next)];
    if (before === after) continue;
    const [present, wanted] = [entriesOf(before), entriesOf(after)];
    deletions.push(...commands("delete", elementSet, differing(present, wanted, false)));
    additions.push(...commands("add", elementSet, differing(wanted, present, true)));
  }
  const lines = [...deletions, ...additions];
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

type Entries = ReadonlyMap<string, Verdict | undefined>;

function entriesOf(part: ReadonlyMap<string, Verdict> | readonly string[]): Entries {
  return part instanceof Map ? part : new Map([...part.values()].map((each) => [each, undefined]));
}

/** The entries of `from` that `other` has not, or with another verdict. */
function differing(from: Entries, other: Entries, withVerdicts: boolean): Entries {
  const entries = new Map<string, Verdict | undefined>();
  for (const [entry, verdict] of from) {
    if (other.has(entry) && other.get(entry) === verdict) continue;
    entries.set(entry, withVerdicts ? verdict : undefined);
  }
  return entries;
}

function commands(verb: "add" | "delete", elementSet: ElementSet, entries: Entries): string[] {
  return FAMILIES.flatMap((family) => {
    const elements = elementsOf(elementSet, family, entries);
    if (elements.length === 0) return [];
    const name = `${elementSet.name}_${family.suffix}`;
    return [`${verb} element ${TABLE} ${name} {`, ...elements.map((each) => `  ${each},`), "}"];
  });
}

function declare(elementSet: ElementSet, family: Family, set: CaptureSet): string[] {
  const elements = elementsOf(elementSet, family, entriesOf(elementSet.part(set)));
  const attributes = elementSet.attributes(family).map((attribute) => `    ${attribute}`);
  const listed = ["    elements = {", ...elements.map((each) => `      ${each},`), "    }"];
  const kind = elementSet.part(set) instanceof Map ? "map" : "set";
  return [
    `  ${kind} ${elementSet.name}_${family.suffix} {`,
    ...attributes,
    ...(elements.length === 0 ? [] : listed),
    "  }",
  ];
}

/** The entries of one family, as nft writes them. */
function elementsOf(elementSet: ElementSet, { family }: Family, entries: Entries): string[] {
  const elements: string[] = [];
  for (const [entry, verdict] of entries) {
    const { address, text } = elementSet.key(entry);
    if (familyOf(address) !== family) continue;
    elements.push(verdict === undefined ? text : `${text} : goto verdict_${verdict}`);
  }
  return elements;
}

const FRONTEND_KEY = /^\[?(?<address>[^\]]+?)\]?:(?<port>\d+)\/(?<protocol>TCP|UDP|SCTP)$/;

function frontendElementKey(key: FrontendKey): { address: string; text: string } {
  const { address, port, protocol } = FRONTEND_KEY.exec(key)?.groups ?? {};
  if (address === undefined || protocol === undefined) throw new Error(`no frontend key: ${key}`);
  return { address, text: `${address} . ${protocol.toLowerCase()} . ${port}` };
}

/** Where the verdicts of the map lead. */
function verdictChains(options: CaptureOptions): string[] {
  return [
    ...chain("deliver", [`meta mark set meta mark or ${bit(options)} accept`]),
    ...handOver("verdict_keep", options.keepPort, options),
    ...handOver("verdict_masquerade", options.masqueradePort, options),
    // A reset and not an ICMP error where TCP allows: the kernel sends at most one ICMP error a
    // second to one client, and a refused connect would then take seconds to be refused.
    ...chain("verdict_refuse", ["meta l4proto tcp reject with tcp reset", "reject"]),
    ...chain("verdict_drop", ["drop"]),
  ];
}

/**
 * To Envoy. When it listens nowhere `tproxy` does not match, and the next rule drops: clients
 * repeat a SYN that was dropped, but give up when it is reset. UDP frontends have listeners of
 * their own, bound to the frontend's address, so that replies come from there.
 */
function handOver(name: string, port: number, options: CaptureOptions): string[] {
  const tproxies = FAMILIES.map(({ header, loopback }) => {
    const target = header === "ip6" ? `[${loopback}]` : loopback;
    const mark = `meta mark set meta mark or ${bit(options)}`;
    // nft 1.0.6 wants the protocol in the same rule when the chain is reached through a map.
    return `meta l4proto tcp tproxy ${header} to ${target}:${port} ${mark} accept`;
  });
  const udp = "meta l4proto udp socket transparent 1 socket wildcard 0 goto deliver";
  return chain(name, [...tproxies, udp, "drop"]);
}

function hookChains(options: CaptureOptions): string[] {
  const others = `0x${(~options.markBit >>> 0).toString(16)}`;
  const isOurs = `ct mark and ${bit(options)} == ${bit(options)}`;
  return [
    ...chain("from_frontend", [
      ...FAMILIES.map(
        ({ header, suffix }) =>
          `${header} daddr . meta l4proto . th dport vmap @frontends_${suffix}`,
      ),
      ...FAMILIES.map(
        ({ header, suffix }) => `${header} daddr @cluster_ips_${suffix} goto verdict_refuse`,
      ),
      ...FAMILIES.map(({ header, suffix }) => `${header} daddr @service_cidrs_${suffix} drop`),
      // Envoy's own ports, bound to every address: they are for TPROXY, nobody dials them.
      `tcp dport { ${options.keepPort}, ${options.masqueradePort} } fib daddr type local ` +
        "goto verdict_refuse",
    ]),
    ...chain("capture", [
      "type filter hook prerouting priority mangle; policy accept;",
      `ct direction reply ${isOurs} goto deliver`,
      "ct direction reply accept",
      "tcp flags & (fin | syn | rst | ack) == syn goto from_frontend",
      "meta l4proto tcp socket transparent 1 socket wildcard 0 goto deliver",
      "goto from_frontend",
    ]),
    ...chain("replies", [
      "type route hook output priority mangle; policy accept;",
      `ct direction reply ${isOurs} goto deliver`,
      "ct direction original ct state new meta l4proto { tcp, udp } fib saddr type != local " +
        `ct mark set ct mark or ${bit(options)}`,
    ]),
    ...chain("delivered", [
      `type filter hook input priority ${LAST_IN_INPUT}; policy accept;`,
      // Envoy's capture ports are for captured connections only.
      `tcp dport { ${options.keepPort}, ${options.masqueradePort} } ct direction original ` +
        `meta mark and ${bit(options)} != ${bit(options)} reject with tcp reset`,
      // A routed packet needs its mark no longer. Left on it, the sysctl tcp_fwmark_accept would
      // give it to Envoy's sockets, whose own packets would then be taken for captured ones.
      `meta mark and ${bit(options)} == ${bit(options)} meta mark set meta mark and ${others}`,
    ]),
    ...chain("hairpin", [
      "type nat hook postrouting priority srcnat; policy accept;",
      ...FAMILIES.map(
        ({ header, suffix }) =>
          `${isOurs} ${header} saddr . ${header} daddr @own_backends_${suffix} masquerade`,
      ),
    ]),
  ];
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), "  }"];
}

function bit(options: CaptureOptions): string {
  return `0x${options.markBit.toString(16)}`;
}
