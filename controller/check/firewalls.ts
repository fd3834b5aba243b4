// Facts → packet filters that keep Pods' packets from Envoy. Pure. What Pods send to a Service is
// delivered on the node, so it passes the input hook with the Service's address; with kube-proxy it
// is forwarded. Envoy's first packets to backends are forwarded too (capture/policy-hook.ts), and
// come in by Portico's own link; its other packets pass output.

import { IN_LINK } from "../capture/policy-link.ts";
import { familyOf } from "../model/ip.ts";
import type { Chain, CheckSettings, NodeFacts, ReversePathFilter } from "./facts.ts";
import type { Finding } from "./finding.ts";

/** Calico's chain for what a Pod sends to the host, by its name in iptables and in nftables. */
const CALICO_TO_HOST = /cali-wl-to-host$/;

/**
 * Reports filters that drop what Pods send to Services, or what Envoy sends to backends. When there
 * are only notes, one finding says that no filter does.
 */
export function firewallFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const findings = [
    ...policyFindings(facts, settings),
    ...calicoFindings(facts),
    ...forwardFindings(facts, settings),
    ...reversePathFindings(facts, settings),
  ];
  if (findings.some(({ level }) => level !== "note")) return findings;
  const what = "no packet filter drops traffic from Pods to Envoy by default";
  const show = "nft --terse list ruleset | grep policy";
  const seen = "no policy drop in input or output";
  return [...findings, { level: "ok", what, seen, todo: "", show }];
}

function policyFindings(facts: NodeFacts, { markBit }: CheckSettings): Finding[] {
  const mark = `0x${markBit.toString(16)}`;
  return dropping(facts, ["input", "output"]).map((chain) => ({
    level: "warning",
    what: `a packet filter drops unlisted traffic in ${chain.hook}`,
    seen: where(chain),
    todo:
      chain.hook === "input"
        ? `accept packets with mark ${mark} there: they come from Pods and go to Envoy (nft: ` +
          `meta mark and ${mark} == ${mark} accept; iptables: -m mark --mark ${mark}/${mark})`
        : "accept what Envoy sends to Pods there, with the Pods' source addresses",
    show: show(chain),
  }));
}

/** kube-proxy's packets to backends pass there too, and need the same rules of a CNI plugin. */
function forwardFindings(facts: NodeFacts, { policyHook }: CheckSettings): Finding[] {
  return dropping(facts, ["forward"]).map((chain): Finding => {
    if (policyHook === "output") {
      return {
        level: "note",
        what: "a packet filter drops forwarded traffic; Services do not need it, Pods may",
        seen: where(chain),
        todo:
          "nothing to do for Portico; kube-proxy's rules, which accept part of it, disappear " +
          "with kube-proxy",
        show: show(chain),
      };
    }
    return {
      level: "warning",
      what:
        "a packet filter drops unlisted forwarded traffic, and the first packets of Envoy's " +
        "connections to backends pass there",
      seen: where(chain),
      todo:
        "accept Pod-to-Pod traffic there by address, as most CNI plugins do; or, after rules " +
        `of network policies, accept what enters by ${IN_LINK} (nft: iifname ${IN_LINK} ` +
        `accept; iptables: -i ${IN_LINK} -j ACCEPT)`,
      show: show(chain),
    };
  });
}

/** Reports iptables-nft's chains once: they are nftables' too, unlike those of older iptables. */
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
      what: "Calico drops traffic from Pods to the node itself, where Envoy runs",
      seen: "chain cali-wl-to-host ends in drop",
      todo: "set defaultEndpointToHostAction to Accept in its FelixConfiguration",
      show: "iptables-save | grep cali-wl-to-host; nft list ruleset | grep -A9 cali-wl-to-host",
    },
  ];
}

/** Two kinds: what a filter drops depends on its hook, and on what it tests. */
function reversePathFindings({ nft }: NodeFacts, settings: CheckSettings): Finding[] {
  return (nft?.reversePathFilters ?? []).flatMap((filter): Finding[] => {
    const { hook, asksMark, asksInterface } = filter;
    if (hook === "prerouting" && asksMark) return [capturedFinding(filter, settings)];
    if (asksInterface && settings.policyHook === "forward") {
      return [forwardedFinding(filter, settings)];
    }
    return [];
  });
}

/**
 * The mark makes the kernel deliver captured packets on the node. A lookup of the way back to the
 * sender with that mark finds the route that does so, which counts as no route.
 */
function capturedFinding(filter: ReversePathFilter, settings: CheckSettings): Finding {
  const level = levelFor(filter, settings);
  return {
    level,
    what: `a reverse path filter drops captured packets over ${filter.families.join(" and ")}`,
    seen: `fib saddr . mark, and drop, in chain ${filter.chain}`,
    todo: level === "note" ? NOTHING : `remove the mark from its lookup; ${FIREWALLD}`,
    show: `nft list chain ${filter.chain}`,
  };
}

/** The way back to the client leads by the Pod's interface, and not by the link. */
function forwardedFinding(filter: ReversePathFilter, settings: CheckSettings): Finding {
  const level = levelFor(filter, settings);
  return {
    level,
    what:
      "a strict reverse path filter drops the first packets of Envoy's connections to backends " +
      `over ${filter.families.join(" and ")}, which enter by ${IN_LINK}`,
    seen: `fib saddr . iif, and drop, in chain ${filter.chain}`,
    todo:
      level === "note"
        ? NOTHING
        : `make it accept what enters by ${IN_LINK} (iifname ${IN_LINK} accept), or run ` +
          `Portico with --policy-hook output; ${FIREWALLD}`,
    show: `nft list chain ${filter.chain}`,
  };
}

const NOTHING = "nothing to do unless Services have such addresses";
const FIREWALLD =
  "firewalld's: IPv6_rpfilter=loose-forward in /etc/firewalld/firewalld.conf (before firewalld " +
  "2.2: no), firewall-cmd --reload";

/** A warning where the Service CIDRs are not known. */
function levelFor(
  { families }: ReversePathFilter,
  { serviceCIDRs }: CheckSettings,
): Finding["level"] {
  const served = serviceCIDRs.map(familyOf);
  if (families.some((family) => served.includes(family))) return "blocker";
  return served.length === 0 ? "warning" : "note";
}

function where({ table, name }: Chain): string {
  return `chain ${name} of table ${table}, policy drop`;
}

function show({ table, name }: Chain): string {
  if (table === "iptables") return `iptables -S ${name}; ip6tables -S ${name}`;
  return `nft list chain ${table} ${name}`;
}
