// Capture set → text for `nft -f`: the whole table. Pure; does not run anything (apply.ts) and
// knows no routes (routes.ts). The chains are constant (chains.ts), the sets' elements change
// (elements.ts).

import type { CaptureSet } from "../node/types.ts";
import { chains } from "./chains.ts";
import { declarations, TABLE } from "./elements.ts";
import { familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";

/** The table with everything in it, as a block. */
export function rulesetFrom(set: CaptureSet, options: CaptureOptions): string {
  return block([...declarations(set, familiesOf(options.families)), ...chains(options)]);
}

/**
 * The script that makes the table of this name what `ruleset` (rulesetFrom) says. Chains stay where
 * they are and get new rules, sets new elements, in one transaction: every packet meets the old
 * table or the new one. A table that is deleted and made anew would let some packets through
 * between the two, as a chain is off its hook before another is on it: 10 to 20 connections of
 * 5,000 a second were reset or refused by 250 replacements.
 *
 * `present` is the table as nft lists it, "" for none: chains and sets that are in it alone go.
 * nft refuses the script if something of the same name is of another kind than ours;
 * recreation() does not mind.
 */
export function replacement(ruleset: string, present: string): string {
  const wanted = partsOf(ruleset);
  const names = new Set(wanted.map(({ name }) => name));
  const stale = partsOf(present).filter(({ name }) => !names.has(name));
  const sets = [...wanted, ...stale].filter(({ kind }) => kind !== "chain");
  const isPresent = present !== "";
  return [
    block(wanted.flatMap(({ lines }) => [...lines, "  }"])).trimEnd(),
    ...(isPresent ? [`flush table ${TABLE}`] : []),
    ...(isPresent ? sets.map(({ kind, name }) => `flush ${kind} ${TABLE} ${name}`) : []),
    ...inOrderOfUse(stale).map(({ kind, name }) => `delete ${kind} ${TABLE} ${name}`),
    ruleset,
  ].join("\n");
}

/** The script that removes the table of this name, whatever is in it, and makes it anew. */
export function recreation(ruleset: string): string {
  return [`table ${TABLE}`, `delete table ${TABLE}`, ruleset].join("\n");
}

interface Part {
  kind: "chain" | "set" | "map";
  name: string;
  /** How it is declared, without what is in it and without the end. */
  lines: readonly string[];
}

/** What a table consists of, from its text as we or nft write it. */
function partsOf(text: string): Part[] {
  const heads = text.matchAll(
    /^[ \t]*(chain|set|map) (\S+) \{\n((?:[ \t]*(?:type|flags) .*\n)*)/gm,
  );
  return [...heads].map(([, kind, name = "", attributes = ""]) => ({
    kind: kind as Part["kind"],
    name,
    lines: [`  ${kind} ${name} {`, ...attributes.split("\n").slice(0, -1)],
  }));
}

/** Maps lead to chains, so these can go after them only. */
function inOrderOfUse(parts: readonly Part[]): Part[] {
  const isChain = ({ kind }: Part) => kind === "chain";
  return [...parts.filter((part) => !isChain(part)), ...parts.filter(isChain)];
}

function block(lines: readonly string[]): string {
  return [`table ${TABLE} {`, ...lines, "}", ""].join("\n");
}
