// Text of Portico's nftables table, as `nft list` prints it or as capture/ruleset.ts writes it →
// its chains, rule by rule. rule.ts knows what a rule means.

import { withProtocolNames } from "./protocol-names.ts";

export interface Chain {
  name: string;
  /** Of a base chain, which a hook calls; undefined for chains that others lead to. */
  base:
    | { hook: string; priority: number; policy: "accept" | "drop"; reroutes: boolean }
    | undefined;
  /** Each rule as in the text. */
  rules: readonly string[];
}

export type KernelTable = ReadonlyMap<string, Chain>;

/** nft's names for priorities, in the families ip, ip6 and inet. */
const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};

/** Returns an empty table when the text has no chain, or is empty: there is no table. */
export function kernelTableFrom(text: string): KernelTable {
  const chains = new Map<string, Chain>();
  let open: { name: string; lines: string[] } | undefined;
  for (const line of withProtocolNames(text)
    .split("\n")
    .map((each) => each.trim())) {
    const [, name] = /^chain (\S+) \{/.exec(line) ?? [];
    if (name !== undefined) open = { name, lines: [] };
    else if (open && line === "}") {
      chains.set(open.name, chainFrom(open.name, open.lines));
      open = undefined;
    } else if (line !== "") open?.lines.push(line);
  }
  return chains;
}

function chainFrom(name: string, lines: readonly string[]): Chain {
  const rules = lines.filter((line) => !line.startsWith("type "));
  return { name, base: baseFrom(lines), rules };
}

/** "type filter hook prerouting priority mangle; policy accept;" */
const BASE = /^type (\S+) hook (\S+) priority (\S+?)(?: ([+-]) (\d+))?;(?: policy (\S+?);)?/;

function baseFrom(lines: readonly string[]): Chain["base"] {
  const line = lines.find((each) => each.startsWith("type "));
  const [, type, hook, name = "", sign, offset = "0"] = (line && BASE.exec(line)) || [];
  if (hook === undefined) return undefined;
  const by = Number(offset) * (sign === "-" ? -1 : 1);
  const priority = (PRIORITIES[name] ?? Number(name)) + by;
  const policy = line?.includes("policy drop") ? "drop" : "accept";
  return { hook, priority, policy, reroutes: type === "route" };
}

/** Returns those of a hook, in the order in which packets meet them. */
export function chainsOfHook(table: KernelTable, hook: string): Chain[] {
  const chains = [...table.values()].filter(({ base }) => base?.hook === hook);
  return chains.sort((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0));
}
