// What `nft --json list ruleset` prints → what the findings need from it. Pure. Portico's own table
// is one of the tables here, but its rules are not read. The JSON is libnftables-json(5)'s.

import type { IPFamily } from "../model/types.ts";
import type { NftFacts, ReversePathFilter } from "./facts.ts";

interface PrintedChain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}

interface PrintedRule {
  family: string;
  table: string;
  chain: string;
  expr?: Statement[];
}

type Statement = Record<string, unknown>;

interface Printed {
  metainfo?: { version?: string };
  table?: { family: string; name: string };
  chain?: PrintedChain;
  rule?: PrintedRule;
}

/**
 * Returns the facts of a ruleset, without rules and chains of Portico. The version is empty when
 * nft does not print it. Throws when `json` is not nft's JSON.
 */
export function nftFactsFrom(json: string): NftFacts {
  const printed = (JSON.parse(json) as { nftables: Printed[] }).nftables;
  const rules = printed.flatMap(({ rule }) => (rule && !isPorticos(rule) ? [rule] : []));
  const chains = printed.flatMap(({ chain }) => (chain && !isPorticos(chain) ? [chain] : []));
  return {
    version: printed.find(({ metainfo }) => metainfo)?.metainfo?.version ?? "",
    tables: printed.flatMap(({ table }) => table ?? []),
    chains: chains.map((chain) => {
      const { family, table, name, hook, policy } = chain;
      const last = rules.findLast((rule) => isIn(rule, chain));
      const endsInDrop = last !== undefined && dropsAll(last);
      return { table: `${family} ${table}`, name, hook, policy, endsInDrop };
    }),
    marks: rules.flatMap((rule) => valuesOf(rule, isMark)),
    zones: rules.flatMap((rule) => valuesOf(rule, isZone)),
    reversePathFilters: rules.flatMap((rule) => {
      const hook = chains.find((chain) => isIn(rule, chain))?.hook ?? "prerouting";
      return reversePathFilter(rule, hook);
    }),
  };
}

/** Returns the cluster IP ranges of kube-proxy's rule that drops the rest; canonical as written. */
export function serviceCIDRsFromKubeProxy(json: string): string[] {
  const printed = (JSON.parse(json) as { nftables: Printed[] }).nftables;
  return printed.flatMap(({ rule }) => {
    if (rule?.table !== "kube-proxy" || rule.chain !== "cluster-ips-check") return [];
    if (!rule.expr?.some((statement) => "drop" in statement)) return [];
    return [...prefixesIn(rule.expr)];
  });
}

function isPorticos({ family, table }: { family: string; table: string }): boolean {
  return family === "inet" && table === "portico";
}

function isIn(rule: PrintedRule, { family, table, name }: PrintedChain): boolean {
  return rule.family === family && rule.table === table && rule.chain === name;
}

/** Reports whether nothing but a counter comes before the verdict. */
function dropsAll({ expr = [] }: PrintedRule): boolean {
  const kinds = expr.flatMap((statement) => Object.keys(statement));
  const last = kinds.at(-1) ?? "";
  return ["drop", "reject"].includes(last) && !kinds.includes("match");
}

/** Returns it for a rule that looks up a route to the sender, and drops where there is none. */
function reversePathFilter(rule: PrintedRule, hook: string): ReversePathFilter[] {
  if (hook !== "prerouting" && hook !== "forward") return [];
  const { expr = [], family, table, chain } = rule;
  if (!["drop", "reject"].some((verdict) => verdict in (expr.at(-1) ?? {}))) return [];
  const flags = expr.flatMap(wayBackFlags);
  if (!flags.includes("saddr")) return [];
  return [
    {
      families: familiesOf(rule),
      chain: `${family} ${table} ${chain}`,
      hook,
      asksMark: flags.includes("mark"),
      // If it matches a mark first, it is for interfaces of another program: Calico's, of Pods.
      asksInterface: flags.includes("iif") && !expr.some(({ match }) => asksOfMark(match)),
    },
  ];
}

/** Returns what a statement looks up a route by, if it matches when there is none. */
function wayBackFlags({ match }: Statement): string[] {
  const { op, left, right } = (match ?? {}) as { op?: string; left?: unknown; right?: unknown };
  const isMissing = op === "==" ? [false, 0, "0"].includes(right as never) : right === true;
  const { flags = [] } = (left as { fib?: { flags?: string[] } } | undefined)?.fib ?? {};
  return isMissing ? flags : [];
}

function asksOfMark(match: unknown): boolean {
  return [...within((match as { left?: unknown } | undefined)?.left)].some(isMark);
}

/** Returns the families of the packets that the rule may match. */
function familiesOf({ family, expr = [] }: PrintedRule): readonly IPFamily[] {
  const said = JSON.stringify(expr);
  if (family === "ip" || said.includes('"ipv4"')) return ["IPv4"];
  if (family === "ip6" || said.includes('"ipv6"')) return ["IPv6"];
  return ["IPv4", "IPv6"];
}

/** Returns the numbers in the statements of a rule for which `isAbout` holds. */
function valuesOf(
  rule: PrintedRule,
  isAbout: (value: unknown) => boolean,
): { value: number; where: string }[] {
  const { family, table, chain, expr = [] } = rule;
  const about = expr.filter((statement) => [...within(statement)].some(isAbout));
  const numbers = about.flatMap((statement) => [...numbersOf(statement)]);
  return numbers.map((value) => ({ value, where: `nftables: ${family} ${table} ${chain}` }));
}

/**
 * A mask that leaves bits alone, as in `mark & 0xffffefff | 0x40`, does not use them. So of a
 * masked value only the bits put in count, and of a match its mask or the value compared.
 */
function* numbersOf(statement: Statement): Generator<number> {
  const { mangle, match } = statement as {
    mangle?: { value: unknown };
    match?: { left: unknown; right: unknown };
  };
  if (mangle) yield* putIn(mangle.value);
  if (match) {
    const mask = (match.left as { "&"?: unknown[] })["&"]?.find((each) => typeof each === "number");
    if (typeof mask === "number") yield mask;
    else yield* [...within(match.right)].filter((each) => typeof each === "number");
  }
}

function* putIn(value: unknown): Generator<number> {
  if (typeof value === "number") yield value;
  if (typeof value !== "object" || value === null) return;
  const operation = value as { "|"?: unknown[]; "^"?: unknown[] };
  for (const operand of operation["|"] ?? operation["^"] ?? []) {
    if (typeof operand === "number") yield operand;
  }
}

function isMark(value: unknown): boolean {
  const { meta, ct } = (value ?? {}) as { meta?: { key?: string }; ct?: { key?: string } };
  return meta?.key === "mark" || ct?.key === "mark";
}

function isZone(value: unknown): boolean {
  return ((value ?? {}) as { ct?: { key?: string } }).ct?.key === "zone";
}

function* prefixesIn(value: unknown): Generator<string> {
  for (const each of within(value)) {
    const { prefix } = (each ?? {}) as { prefix?: { addr: string; len: number } };
    if (prefix) yield `${prefix.addr}/${prefix.len}`;
  }
}

/** Yields a value, and all values in it. */
function* within(value: unknown): Generator<unknown> {
  yield value;
  if (typeof value !== "object" || value === null) return;
  for (const part of Object.values(value)) yield* within(part);
}
