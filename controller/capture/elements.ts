// Capture set → the elements of nftables sets and maps: their declarations whole, or the commands
// that turn one capture set's elements into another's. Pure. For each family there are:
//
//    frontends_v4        (address . protocol . port) → goto verdict_keep | verdict_masquerade | …
//    host_udp_v4         (address . port) of UDP frontends → goto verdict_refuse | turn_round
//    cluster_ips_v4      addresses whose other ports, and pings, are refused
//    service_cidrs_v4    prefixes whose other addresses are dropped
//    own_backends_v4     (address . address) of local backends that may be picked for themselves
//    external_v4         frontends at external IPs and load balancer addresses
//    restricted_v4       frontends that are not open to everybody
//    allowed_sources_v4  (address . protocol . port . source) for whom those are open
//    udp_…               see udp.ts

import { familyOf } from "../model/ip.ts";
import type { CaptureSet, FrontendKey } from "../node/types.ts";
import { differences } from "./differences.ts";
import type { Family } from "./families.ts";
import { UDP_ELEMENTS } from "./udp.ts";

/** The table that is Portico's, whole; it has no other. */
export const TABLE = "inet portico";

/** An element's text → what a map has for it; undefined in a set. */
type Elements = ReadonlyMap<string, string | undefined>;

interface ElementSet {
  name: string;
  kind: "set" | "map";
  /** Attributes of its declaration. */
  attributes: (family: Family) => string[];
  /** Each entry of the capture set has elements of its own. */
  elements: (set: CaptureSet, family: Family) => Elements;
}

const frontendType = ({ type }: Family) => `${type} . inet_proto . inet_service`;

const ELEMENT_SETS: readonly ElementSet[] = [
  {
    name: "frontends",
    kind: "map",
    attributes: (family) => [`type ${frontendType(family)} : verdict`],
    elements: ({ verdicts }, family) => frontendElements(verdicts, family),
  },
  {
    name: "host_udp",
    kind: "map",
    attributes: ({ type }) => [`type ${type} . inet_service : verdict`],
    elements: ({ verdicts }, family) => hostUdpElements(verdicts, family),
  },
  {
    name: "cluster_ips",
    kind: "set",
    attributes: ({ type }) => [`type ${type}`],
    elements: ({ clusterIPs }, family) => setOf(ofFamily(clusterIPs, family)),
  },
  {
    name: "service_cidrs",
    kind: "set",
    attributes: ({ type }) => [`type ${type}`, "flags interval"],
    elements: ({ serviceCIDRs }, family) => setOf(ofFamily(serviceCIDRs, family)),
  },
  {
    name: "own_backends",
    kind: "set",
    attributes: ({ type }) => [`type ${type} . ${type}`],
    elements: ({ localEndpoints }, family) =>
      setOf(ofFamily(localEndpoints, family).map((address) => `${address} . ${address}`)),
  },
  {
    name: "external",
    kind: "set",
    attributes: (family) => [`type ${frontendType(family)}`],
    elements: ({ externalFrontends }, family) =>
      setOf(externalFrontends.flatMap((key) => frontendElement(key, family) ?? [])),
  },
  {
    name: "restricted",
    kind: "set",
    attributes: (family) => [`type ${frontendType(family)}`],
    elements: ({ allowedSources }, family) =>
      setOf([...allowedSources.keys()].flatMap((key) => frontendElement(key, family) ?? [])),
  },
  {
    name: "allowed_sources",
    kind: "set",
    attributes: (family) => [`type ${frontendType(family)} . ${family.type}`, "flags interval"],
    elements: ({ allowedSources }, family) => sourceElements(allowedSources, family),
  },
  ...UDP_ELEMENTS.map(({ name, kind, type, elements }): ElementSet => {
    const attributes = (family: Family) => [`type ${type(family)}`];
    return { name, kind, attributes, elements };
  }),
];

/** Every set and map with its elements, as they stand in a table's block. */
export function declarations(set: CaptureSet, families: readonly Family[]): string[] {
  return families.flatMap((family) => ELEMENT_SETS.flatMap((each) => declare(each, family, set)));
}

/** The script that turns the elements of `previous` into those of `next`; "" if nothing differs. */
export function elementChanges(
  previous: CaptureSet,
  next: CaptureSet,
  families: readonly Family[],
): string {
  const deletions: string[] = [];
  const additions: string[] = [];
  const [before, after] = differences(previous, next);
  for (const elementSet of ELEMENT_SETS) {
    for (const family of families) {
      const name = `${elementSet.name}_${family.suffix}`;
      const present = elementSet.elements(before, family);
      const wanted = elementSet.elements(after, family);
      deletions.push(...command("delete", name, [...differing(present, wanted).keys()]));
      additions.push(...command("add", name, [...differing(wanted, present)].map(textOf)));
    }
  }
  const lines = [...deletions, ...additions];
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function command(verb: "add" | "delete", name: string, elements: readonly string[]): string[] {
  if (elements.length === 0) return [];
  return [`${verb} element ${TABLE} ${name} {`, ...elements.map((each) => `  ${each},`), "}"];
}

/** The elements that `other` has not, or with another value. */
function differing(elements: Elements, other: Elements): Elements {
  return new Map(
    [...elements].filter(([key, value]) => !other.has(key) || other.get(key) !== value),
  );
}

function declare(elementSet: ElementSet, family: Family, set: CaptureSet): string[] {
  const elements = [...elementSet.elements(set, family)].map(textOf);
  const listed = ["    elements = {", ...elements.map((each) => `      ${each},`), "    }"];
  return [
    `  ${elementSet.kind} ${elementSet.name}_${family.suffix} {`,
    ...elementSet.attributes(family).map((attribute) => `    ${attribute}`),
    ...(elements.length === 0 ? [] : listed),
    "  }",
  ];
}

function textOf([key, value]: readonly [string, string | undefined]): string {
  return value === undefined ? key : `${key} : ${value}`;
}

function setOf(keys: readonly string[]): Elements {
  return new Map(keys.map((key) => [key, undefined]));
}

/** Of addresses or CIDRs. */
function ofFamily(addresses: readonly string[], { family }: Family): string[] {
  return addresses.filter((address) => familyOf(address) === family);
}

function frontendElements(verdicts: CaptureSet["verdicts"], family: Family): Elements {
  const elements = new Map<string, string>();
  for (const [key, verdict] of verdicts) {
    const element = frontendElement(key, family);
    if (element !== undefined) elements.set(element, `goto verdict_${verdict}`);
  }
  return elements;
}

function hostUdpElements(verdicts: CaptureSet["verdicts"], family: Family): Elements {
  const elements = new Map<string, string>();
  for (const [key, verdict] of verdicts) {
    if (!key.endsWith("/UDP")) continue;
    const element = frontendElement(key, family)?.replace(" . udp", "");
    const chain = verdict === "refuse" ? "verdict_refuse" : "turn_round";
    if (element !== undefined) elements.set(element, `goto ${chain}`);
  }
  return elements;
}

function sourceElements(allowedSources: CaptureSet["allowedSources"], family: Family): Elements {
  const keys: string[] = [];
  for (const [key, sources] of allowedSources) {
    const element = frontendElement(key, family);
    if (element !== undefined) keys.push(...sources.map((source) => `${element} . ${source}`));
  }
  return setOf(keys);
}

const FRONTEND_KEY = /^\[?(?<address>[^\]]+?)\]?:(?<port>\d+)\/(?<protocol>TCP|UDP|SCTP)$/;

/** "10.96.0.10 . tcp . 80"; undefined when it is of the other family. */
function frontendElement(key: FrontendKey, { family }: Family): string | undefined {
  if ((key[0] === "[") !== (family === "IPv6")) return undefined;
  const { address, port, protocol } = FRONTEND_KEY.exec(key)?.groups ?? {};
  if (address === undefined || protocol === undefined) throw new Error(`no frontend key: ${key}`);
  return `${address} . ${protocol.toLowerCase()} . ${port}`;
}
