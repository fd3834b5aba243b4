// Facts → who else uses the marks, the routing table, the priority and the conntrack zone that
// Portico would use. Pure. Portico's own, from a run before, is not in the facts.

import type { CheckSettings, NodeFacts, Rule } from "./facts.ts";
import { type Finding, listed } from "./finding.ts";

const SHOW_RULES = "ip rule; ip -6 rule";
const XT_MARK = /--(?:set-x?mark|mark|or-mark|xor-mark) (0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?/g;

export function markAndRouteFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const findings = [
    ...markFindings(facts, settings),
    ...tableFindings(facts, settings),
    ...priorityFindings(facts, settings),
    ...zoneFindings(facts, settings),
  ];
  if (findings.length > 0) return findings;
  const { markBit, routeTable, rulePriority, zone } = settings;
  const seen =
    `mark ${hex(markBit)}, routing table ${routeTable}, rule priority ${rulePriority}, ` +
    `conntrack zone ${zone}`;
  const what = "nobody else uses Portico's mark, table, priority and zone";
  const show = `${SHOW_RULES}; nft list ruleset`;
  return [{ level: "ok", what, seen, todo: "", show }];
}

function markFindings(facts: NodeFacts, { markBit, envoyMarkBit }: CheckSettings): Finding[] {
  const uses = markUses(facts);
  const of = (bit: number) => uses.filter(({ value }) => isOfBit(value, bit));
  const finding = (bit: number, todo: string): Finding[] => {
    const wheres = of(bit).map(({ where }) => where);
    if (wheres.length === 0) return [];
    const what = `somebody else uses the packet mark's bit ${hex(bit)}`;
    const show = "nft list ruleset | grep mark; iptables-save | grep -i mark; ip rule";
    return [{ level: "blocker", what, seen: listed(wheres), todo, show }];
  };
  return [
    ...finding(markBit, "give portico run another --mark-bit"),
    ...finding(envoyMarkBit, "change that program's mark: Portico's cannot be changed"),
  ];
}

/** A mask of all bits asks for none in particular. */
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

function tableFindings({ routes }: NodeFacts, { routeTable }: CheckSettings): Finding[] {
  const others = routes.filter(({ table }) => table === String(routeTable));
  if (others.length === 0) return [];
  return [
    {
      level: "blocker",
      what: `somebody else has routes in table ${routeTable}`,
      seen: listed(others.map(({ destination }) => destination)),
      todo: "give portico run another --route-table",
      show: `ip route show table ${routeTable}`,
    },
  ];
}

function priorityFindings({ rules }: NodeFacts, { rulePriority }: CheckSettings): Finding[] {
  const same = rules.filter(({ priority }) => priority === rulePriority);
  const before = rules.filter(
    ({ priority, isForAll, table }) => isForAll && priority < rulePriority && table !== "local",
  );
  const late = rules.filter(({ table, priority }) => table === "local" && priority >= rulePriority);
  const finding = (what: string, which: Rule[], level: "note" | "warning"): Finding[] => {
    if (which.length === 0) return [];
    const seen = listed(
      which.map(({ family, priority, table }) => `${family} ${priority} → ${table}`),
    );
    const todo = "give portico run another --rule-priority";
    return [{ level, what, seen, todo, show: SHOW_RULES }];
  };
  return [
    ...finding(`somebody else has a routing rule of priority ${rulePriority}`, same, "note"),
    ...finding("a routing rule for all packets comes before Portico's", before, "warning"),
    ...finding("the rule for the table local comes after Portico's", late, "warning"),
  ];
}

function zoneFindings({ nft, xtables }: NodeFacts, { zone }: CheckSettings): Finding[] {
  const ofNft = (nft?.zones ?? []).filter(({ value }) => value === zone);
  const ofXtables = xtables.filter((line) => new RegExp(`--zone(-\\w+)? ${zone}\\b`).test(line));
  const wheres = [...ofNft.map(({ where }) => where), ...ofXtables];
  if (wheres.length === 0) return [];
  return [
    {
      level: "warning",
      what: `somebody else uses conntrack zone ${zone}`,
      seen: listed(wheres),
      todo: "have that program use another: Portico's cannot be changed",
      show: "nft list ruleset | grep zone",
    },
  ];
}

function hex(bit: number): string {
  return `0x${bit.toString(16)}`;
}
