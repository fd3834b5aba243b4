// Facts → packet filters that keep Pods' packets from Envoy. Pure. What Pods send to a Service is
// delivered on the node, so it passes the input hook with the Service's address, where kube-proxy's
// is forwarded; what Envoy sends passes output.

import { familyOf } from "../model/ip.ts";
import type { Chain, CheckSettings, NodeFacts } from "./facts.ts";
import type { Finding } from "./finding.ts";

/** Calico: what a Pod sends to the host; iptables' name, and nftables'. */
const CALICO_TO_HOST = /cali-wl-to-host$/;

export function firewallFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const findings = [
    ...policyFindings(facts, settings),
    ...calicoFindings(facts),
    ...forwardFindings(facts),
    ...reversePathFindings(facts, settings),
  ];
  if (findings.some(({ level }) => level !== "note")) return findings;
  const what = "no packet filter drops what Pods send to Envoy by default";
  const show = "nft --terse list ruleset | grep policy";
  const seen = "no policy drop in input or output";
  return [...findings, { level: "ok", what, seen, todo: "", show }];
}

function policyFindings(facts: NodeFacts, { markBit }: CheckSettings): Finding[] {
  const mark = `0x${markBit.toString(16)}`;
  return dropping(facts, ["input", "output"]).map((chain) => ({
    level: "warning",
    what: `a packet filter drops in ${chain.hook} whatever it does not name`,
    seen: where(chain),
    todo:
      chain.hook === "input"
        ? `accept packets with mark ${mark} there: they are Pods' on their way to Envoy ` +
          `(nft: meta mark and ${mark} == ${mark} accept; iptables: -m mark --mark ${mark}/${mark})`
        : "accept what Envoy sends to Pods there, as it does in the Pods' names",
    show: show(chain),
  }));
}

/** Portico needs no forwarding. */
function forwardFindings(facts: NodeFacts): Finding[] {
  return dropping(facts, ["forward"]).map((chain) => ({
    level: "note",
    what: "a packet filter drops what is forwarded; Services do not need it, Pods may",
    seen: where(chain),
    todo: "nothing for Portico; kube-proxy in iptables mode accepts some of it, and its rules go",
    show: show(chain),
  }));
}

/** iptables-nft's are chains of nftables, and are told once; the older iptables' are no such. */
function dropping({ nft, xtables }: NodeFacts, hooks: readonly string[]): Chain[] {
  const chains = (nft?.chains ?? []).filter(({ policy }) => policy === "drop");
  const older = xtables.flatMap((line) => {
    const [, name] = /^:(INPUT|OUTPUT|FORWARD) DROP/.exec(line) ?? [];
    if (name === undefined || chains.some((chain) => chain.name === name)) return [];
    return [
      { table: "iptables", name, hook: name.toLowerCase(), policy: "drop", endsInDrop: true },
    ];
  });
  return [...chains, ...older].filter(({ hook }) => hooks.includes(hook ?? ""));
}

function calicoFindings({ nft, xtables }: NodeFacts): Finding[] {
  const ofXtables = xtables.some((line) => /^-A cali-wl-to-host .*-j DROP$/.test(line));
  const chains = (nft?.chains ?? []).filter(({ name }) => CALICO_TO_HOST.test(name));
  if (!ofXtables && !chains.some(({ endsInDrop }) => endsInDrop)) return [];
  return [
    {
      level: "blocker",
      what: "Calico drops what Pods send to the node itself, where Envoy is",
      seen: "chain cali-wl-to-host ends in drop",
      todo: "set defaultEndpointToHostAction to Accept in its FelixConfiguration",
      show: "iptables-save | grep cali-wl-to-host; nft list ruleset | grep -A9 cali-wl-to-host",
    },
  ];
}

/**
 * The mark has what is captured delivered on the node. Asked with it for the way back to the
 * sender, the kernel finds the route that does that, which counts as none.
 */
function reversePathFindings({ nft }: NodeFacts, { serviceCIDRs }: CheckSettings): Finding[] {
  const served = serviceCIDRs.map(familyOf);
  return (nft?.reversePathFilters ?? []).map(({ families, chain }) => {
    const isHit = families.some((family) => served.includes(family));
    const level = isHit ? "blocker" : served.length === 0 ? "warning" : "note";
    return {
      level,
      what: `a reverse path filter drops what is captured over ${families.join(" and ")}`,
      seen: `fib saddr . mark, and drop, in chain ${chain}`,
      todo:
        level === "note"
          ? "nothing while no Service has such addresses"
          : "have it not ask for the mark; firewalld's: IPv6_rpfilter=strict-forward in " +
            "/etc/firewalld/firewalld.conf (before firewalld 2: no), firewall-cmd --reload",
      show: `nft list chain ${chain}`,
    };
  });
}

function where({ table, name }: Chain): string {
  return `chain ${name} of table ${table}, policy drop`;
}

function show({ table, name }: Chain): string {
  if (table === "iptables") return `iptables -S ${name}; ip6tables -S ${name}`;
  return `nft list chain ${table} ${name}`;
}
