// Facts → what else uses the marks, the routing table, the priority and the conntrack zone that
// Portico would use. Pure. The facts leave out Portico's own, from an earlier run.

import { policyTable } from "../capture/routes.ts";
import type { CheckSettings, NodeFacts, Rule } from "./facts.ts";
import { type Finding, listed } from "./finding.ts";

const SHOW_RULES = "ip rule; ip -6 rule";
const XT_MARK = /--(?:set-x?mark|mark|or-mark|xor-mark) (0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?/g;

/**
 * Reports each number of Portico's that another program uses; when there is none, one finding lists
 * the numbers.
 */
export function markAndRouteFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const findings = [
    ...markFindings(facts, settings),
    ...tableFindings(facts, settings),
    ...rulesBefore(facts.rules, settings),
    ...zoneFindings(facts, settings),
  ];
  if (findings.length > 0) return findings;
  const { markBit, routeTable, rulePriority, zone } = settings;
  const seen =
    `mark ${hex(markBit)}, routing table ${routeTable}, rule priority ${rulePriority}, ` +
    `conntrack zone ${zone}`;
  const what = "no other program uses Portico's mark, table, priority or zone";
  const show = `${SHOW_RULES}; nft list ruleset`;
  return [{ level: "ok", what, seen, todo: "", show }];
}

function markFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const { markBit, fixedMarkBits } = settings;
  const isFixed = "change that program's mark: Portico's is fixed";
  const uses = markUses(facts);
  const of = (bit: number) => uses.filter(({ value }) => isOfBit(value, bit));
  const finding = (bit: number, todo: string): Finding[] => {
    const wheres = of(bit).map(({ where }) => where);
    if (wheres.length === 0) return [];
    const what = `another program uses the packet mark's bit ${hex(bit)}`;
    const show = "nft list ruleset | grep mark; iptables-save | grep -i mark; ip rule";
    return [{ level: "blocker", what, seen: listed(wheres), todo, show }];
  };
  return [
    ...finding(markBit, "set another --mark-bit for portico run"),
    ...fixedMarkBits.flatMap((bit) => finding(bit, isFixed)),
  ];
}

/** A mask of all bits tests no bit in particular. */
function isOfBit(value: number, bit: number): boolean {
  return (value & bit) !== 0 && value >>> 0 !== 0xffff_ffff;
}

function markUses({ nft, xtables, rules }: NodeFacts): { value: number; where: string }[] {
  const ofXtables = xtables.flatMap((line) =>
    [...line.matchAll(XT_MARK)].map(([, value = "0", mask]) => ({
      value: Number(mask ?? value),
      where: `iptables: ${line}`,
    })),
  );
  const ofRules = rules.flatMap(({ fwmark, family, priority }) =>
    fwmark === undefined
      ? []
      : [{ value: fwmark.mask, where: `${family} rule of priority ${priority}` }],
  );
  return [...(nft?.marks ?? []), ...ofXtables, ...ofRules];
}

function tableFindings({ routes }: NodeFacts, settings: CheckSettings): Finding[] {
  const tables = [settings.routeTable];
  if (settings.policyHook === "forward") tables.push(policyTable(settings));
  return tables.flatMap((own): Finding[] => {
    const others = routes.filter(({ table }) => table === String(own));
    if (others.length === 0) return [];
    return [
      {
        level: "blocker",
        what: `another program has routes in table ${own}`,
        seen: listed(others.map(({ destination }) => destination)),
        todo: "set another --route-table for portico run",
        show: `ip route show table ${own}`,
      },
    ];
  });
}

/** Returns rules that decide where a marked packet goes before Portico's rule can. */
export function rulesBefore(
  rules: readonly Rule[],
  { markBit, rulePriority }: Pick<CheckSettings, "markBit" | "rulePriority">,
): Finding[] {
  // Of one priority, the kernel evaluates the older rule first.
  const before = rules.filter((rule) => rule.priority <= rulePriority && mayTake(rule, markBit));
  if (before.length === 0) return [];
  const lowest = Math.min(...before.map(({ priority }) => priority));
  const todo =
    lowest > 1
      ? `set portico run --rule-priority ${lowest - 1}, or leave it at its default, 1`
      : "make that program use a higher priority: otherwise its rule decides about packets " +
        "for Envoy";
  return [
    {
      level: "warning",
      what: "a routing rule precedes Portico's, and may take the packets for Envoy",
      seen: listed(before.map(ruleText)),
      todo,
      show: SHOW_RULES,
    },
  ];
}

/**
 * Reports whether a rule may apply to a packet that has Portico's mark and no other. Assumes that
 * its tests of addresses and interfaces match. The table local has the node's own addresses only.
 */
function mayTake({ fwmark, asksMore, isInverted, isIdle, table }: Rule, markBit: number): boolean {
  if (table === "local" || isIdle) return false;
  const isOfMark = fwmark === undefined || (markBit & fwmark.mask) >>> 0 === fwmark.value;
  return isInverted ? asksMore || !isOfMark : isOfMark;
}

function ruleText({ family, priority, fwmark, asksMore, isInverted, table }: Rule): string {
  const mark = fwmark === undefined ? [] : [`mark ${hex(fwmark.value)}/${hex(fwmark.mask)}`];
  const asked = [...mark, ...(asksMore ? ["some"] : [])].join(", ");
  const whom = asked === "" ? "" : ` for ${isInverted ? "all but " : ""}${asked}`;
  return `${family} ${priority}${whom} → ${table || "no table"}`;
}

function zoneFindings({ nft, xtables }: NodeFacts, { zone }: CheckSettings): Finding[] {
  const ofNft = (nft?.zones ?? []).filter(({ value }) => value === zone);
  const ofXtables = xtables.filter((line) => new RegExp(`--zone(-\\w+)? ${zone}\\b`).test(line));
  const wheres = [...ofNft.map(({ where }) => where), ...ofXtables];
  if (wheres.length === 0) return [];
  return [
    {
      level: "warning",
      what: `another program uses conntrack zone ${zone}`,
      seen: listed(wheres),
      todo: "make that program use another: Portico's is fixed",
      show: "nft list ruleset | grep zone",
    },
  ];
}

function hex(bit: number): string {
  return `0x${bit.toString(16)}`;
}
