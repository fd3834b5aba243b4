// Kernel target → the elements of nftables sets and maps: either all declarations, sorted, or the
// commands that turn one target's elements into another's. Pure. For each family there are:
//
//    frontends_v4        (address . protocol . port) → goto verdict_keep | verdict_masquerade | …
//    host_udp_v4         (address . port) of UDP frontends → goto verdict_refuse | turn_round
//    cluster_ips_v4      addresses whose other ports, and pings, are refused
//    service_cidrs_v4    prefixes whose other addresses are dropped
//    own_backends_v4     (address . address) of local backends that may be picked for themselves
//    external_v4         frontends at external IPs and load balancer addresses
//    restricted_v4       frontends that are not open to all sources
//    allowed_sources_v4  (address . protocol . port . source) for which those are open
//    udp_masqueraded_…   datagrams that the kernel notes by itself, see masquerade.ts
//    udp_answered_v4     see policy-hook.ts
//    udp_…               see udp.ts

import { familyOf } from "../model/ip.ts";
import type { CapturedFrontend, FrontendAddress } from "../node/types.ts";
import { type Family, familiesOf } from "./families.ts";
import type { KernelTarget } from "./kernel-target.ts";
import { NOTED_SETS, notedAttributes } from "./masquerade.ts";
import { answeredAttributes } from "./policy-hook.ts";
import { UDP_ELEMENTS } from "./udp.ts";

/** The table that belongs to Portico alone; it has no other. */
export const TABLE = "inet portico";

/** An element's text → its value in a map; undefined in a set. */
type Elements = ReadonlyMap<string, string | undefined>;

interface ElementSet {
  name: string;
  kind: "set" | "map";
  /** The attributes of its declaration. */
  attributes: (family: Family) => string[];
  /**
   * Each entry of the target has elements of its own: so those of some entries of a target are
   * elements of the whole.
   */
  elements: (target: KernelTarget, family: Family) => Elements;
}

const frontendType = ({ type }: Family) => `${type} . inet_proto . inet_service`;

const ELEMENT_SETS: readonly ElementSet[] = [
  {
    name: "frontends",
    kind: "map",
    attributes: (family) => [`type ${frontendType(family)} : verdict`],
    elements: (target, family) => {
      const frontends = frontendsOf(target, family);
      return new Map(
        frontends.map((each) => [textOfFrontend(each), `goto verdict_${each.verdict}`]),
      );
    },
  },
  {
    name: "host_udp",
    kind: "map",
    attributes: ({ type }) => [`type ${type} . inet_service : verdict`],
    elements: (target, family) => {
      const frontends = frontendsOf(target, family).filter(({ protocol }) => protocol === "UDP");
      return new Map(
        frontends.map(({ address, port, verdict }) => {
          const chain = verdict === "refuse" ? "verdict_refuse" : "turn_round";
          return [`${address} . ${port}`, `goto ${chain}`];
        }),
      );
    },
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
    elements: ({ localBackendAddresses }, family) =>
      setOf(ofFamily(localBackendAddresses, family).map((address) => `${address} . ${address}`)),
  },
  {
    name: "external",
    kind: "set",
    attributes: (family) => [`type ${frontendType(family)}`],
    elements: (target, family) => {
      const external = frontendsOf(target, family).filter(({ isExternal }) => isExternal);
      return setOf(external.map(textOfFrontend));
    },
  },
  {
    name: "restricted",
    kind: "set",
    attributes: (family) => [`type ${frontendType(family)}`],
    elements: (target, family) => setOf(restrictedOf(target, family).map(textOfFrontend)),
  },
  {
    name: "allowed_sources",
    kind: "set",
    attributes: (family) => [`type ${frontendType(family)} . ${family.type}`, "flags interval"],
    elements: (target, family) =>
      setOf(
        restrictedOf(target, family).flatMap((frontend) =>
          frontend.allowedSources.map((source) => `${textOfFrontend(frontend)} . ${source}`),
        ),
      ),
  },
  ...NOTED_SETS.map(
    (noted): ElementSet => ({
      name: noted.name,
      kind: "set",
      attributes: (family) => notedAttributes(noted, family),
      elements: () => new Map(),
    }),
  ),
  {
    name: "udp_answered",
    kind: "set",
    attributes: answeredAttributes,
    // Rules add them.
    elements: () => new Map(),
  },
  ...UDP_ELEMENTS.map(({ name, kind, type, elements }): ElementSet => {
    const attributes = (family: Family) => [`type ${type(family)}`];
    return { name, kind, attributes, elements };
  }),
];

/** Returns every set and map with its elements, as lines of a table's block. */
export function declarations(target: KernelTarget, families: readonly Family[]): string[] {
  return families.flatMap((family) =>
    ELEMENT_SETS.flatMap((each) => declare(each, family, target)),
  );
}

/** The names of sets that hold intervals, without their families. */
const INTERVAL_SETS = ELEMENT_SETS.filter(({ attributes }) =>
  familiesOf(["IPv4"]).some((family) => attributes(family).includes("flags interval")),
).map(({ name }) => name);

/** Reports whether a script of elementChanges() changes intervals. */
export function changesIntervals(script: string): boolean {
  return INTERVAL_SETS.some((name) => script.includes(` ${TABLE} ${name}_v`));
}

/**
 * Returns the script that turns the elements of `previous` into those of `next`; "" if equal. What
 * both have alike may be absent from both, so that a change costs what changed.
 */
export function elementChanges(
  previous: KernelTarget,
  next: KernelTarget,
  families: readonly Family[],
): string {
  const deletions: string[] = [];
  const additions: string[] = [];
  for (const elementSet of ELEMENT_SETS) {
    for (const family of families) {
      const name = `${elementSet.name}_${family.suffix}`;
      const present = elementSet.elements(previous, family);
      const wanted = elementSet.elements(next, family);
      deletions.push(...command("delete", name, [...differing(present, wanted).keys()].sort()));
      additions.push(...command("add", name, textsOf(differing(wanted, present))));
    }
  }
  const lines = [...deletions, ...additions];
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function command(verb: "add" | "delete", name: string, elements: readonly string[]): string[] {
  if (elements.length === 0) return [];
  return [`${verb} element ${TABLE} ${name} {`, ...elements.map((each) => `  ${each},`), "}"];
}

/** Returns the elements that `other` lacks, or has with another value. */
function differing(elements: Elements, other: Elements): Elements {
  return new Map(
    [...elements].filter(([key, value]) => !other.has(key) || other.get(key) !== value),
  );
}

function declare(elementSet: ElementSet, family: Family, target: KernelTarget): string[] {
  const elements = textsOf(elementSet.elements(target, family));
  const listed = ["    elements = {", ...elements.map((each) => `      ${each},`), "    }"];
  return [
    `  ${elementSet.kind} ${elementSet.name}_${family.suffix} {`,
    ...elementSet.attributes(family).map((attribute) => `    ${attribute}`),
    ...(elements.length === 0 ? [] : listed),
    "  }",
  ];
}

/** Sorted, so that the same elements give one text. */
function textsOf(elements: Elements): string[] {
  const texts = [...elements].map(([key, value]) =>
    value === undefined ? key : `${key} : ${value}`,
  );
  return texts.sort();
}

function setOf(keys: readonly string[]): Elements {
  return new Map(keys.map((key) => [key, undefined]));
}

/** Of addresses or CIDRs. */
function ofFamily(addresses: Iterable<string>, { family }: Family): string[] {
  return [...addresses].filter((address) => familyOf(address) === family);
}

function frontendsOf({ frontends }: KernelTarget, { family }: Family): CapturedFrontend[] {
  return [...frontends.values()].filter((frontend) => frontend.family === family);
}

/** Returns the frontends that are not open to all sources. */
function restrictedOf(target: KernelTarget, family: Family): CapturedFrontend[] {
  return frontendsOf(target, family).filter(({ allowedSources }) => allowedSources.length > 0);
}

/** "10.96.0.10 . tcp . 80" */
function textOfFrontend({ address, protocol, port }: FrontendAddress): string {
  return `${address} . ${protocol.toLowerCase()} . ${port}`;
}
