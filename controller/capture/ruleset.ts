// Kernel target → text for `nft -f`: the whole table. Pure; it runs nothing (apply.ts does) and
// knows no routes (routes.ts). The chains are constant (chains.ts), the sets' elements change
// (elements.ts).

import { chains } from "./chains.ts";
import { declarations, TABLE } from "./elements.ts";
import { familiesOf } from "./families.ts";
import type { KernelTarget } from "./kernel-target.ts";
import type { CaptureOptions } from "./options.ts";

/** Returns the table with everything in it, as a block. */
export function rulesetFrom(target: KernelTarget, options: CaptureOptions): string {
  return block([...declarations(target, familiesOf(options.families)), ...chains(options)]);
}

/**
 * Returns the script that turns the table of this name into `ruleset` (rulesetFrom). Chains keep
 * their place and get new rules, sets get new elements, in one transaction: every packet meets the
 * old table or the new one. A table that is deleted and recreated would let some packets through in
 * between, because the old chain leaves its hook before the new one is on it: 250 replacements
 * reset or refused 10 to 20 connections of 5,000 a second.
 *
 * `present` is the table as nft lists it, "" for none: chains and sets that only it has are
 * removed. nft refuses the script if something of the same name is of another kind than ours;
 * recreation() works then too.
 */
export function replacement(ruleset: string, present: string): string {
  const wanted = partsOf(ruleset);
  const names = new Set(wanted.map(({ name }) => name));
  const stale = partsOf(present).filter(({ name }) => !names.has(name));
  const sets = [...wanted, ...stale].filter((part) => part.kind !== "chain" && !isKernels(part));
  const isPresent = present !== "";
  return [
    block(wanted.flatMap(({ lines }) => [...lines, "  }"])).trimEnd(),
    ...(isPresent ? [`flush table ${TABLE}`] : []),
    ...(isPresent ? sets.map(({ kind, name }) => `flush ${kind} ${TABLE} ${name}`) : []),
    ...inOrderOfUse(stale).map(({ kind, name }) => `delete ${kind} ${TABLE} ${name}`),
    ruleset,
  ].join("\n");
}

/** Returns the script that removes the table of this name, whatever is in it, and recreates it. */
export function recreation(ruleset: string): string {
  return [`table ${TABLE}`, `delete table ${TABLE}`, ruleset].join("\n");
}

interface Part {
  kind: "chain" | "set" | "map";
  name: string;
  /** Its declaration, without its content and without the end. */
  lines: readonly string[];
}

/** Reports whether its elements are the kernel's own: packets add them. */
function isKernels({ lines }: Part): boolean {
  return lines.some((line) => /^\s*flags .*\bdynamic\b/.test(line));
}

/** Returns the parts of a table, from its text as Portico or nft writes it. */
function partsOf(text: string): Part[] {
  const heads = text.matchAll(
    /^[ \t]*(chain|set|map) (\S+) \{\n((?:[ \t]*(?:type|typeof|size|flags|timeout) .*\n)*)/gm,
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
