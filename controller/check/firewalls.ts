// Facts → packet filters that keep Pods' packets from Envoy. Pure. What Pods send to a Service is
// delivered on the node, so it passes the input hook with the Service's address, where kube-proxy's
// is forwarded; what Envoy sends passes output.

import type { Chain, CheckSettings, NodeFacts } from "./facts.ts";
import type { Finding } from "./finding.ts";

/** Calico: what a Pod sends to the host; iptables' name, and nftables'. */
const CALICO_TO_HOST = /cali-wl-to-host$/;

export function firewallFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const findings = [
    ...policyFindings(facts, settings),
    ...calicoFindings(facts),
    ...forwardFindings(facts),
  ];
  if (findings.some(({ level }) => level !== "note")) return findings;
  const what = "no packet filter drops what Pods send to Envoy by default";
  const show = "nft --terse list ruleset | grep policy";
  const seen = "no policy drop in input or output";
  return [...findings, { level: "ok", what, seen, todo: "", show }];
}

function policyFindings({ nft }: NodeFacts, { markBit }: CheckSettings): Finding[] {
  const mark = `0x${markBit.toString(16)}`;
  return dropping(nft?.chains ?? [], ["input", "output"]).map((chain) => ({
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
function forwardFindings({ nft }: NodeFacts): Finding[] {
  return dropping(nft?.chains ?? [], ["forward"]).map((chain) => ({
    level: "note",
    what: "a packet filter drops what is forwarded; Services do not need it, Pods may",
    seen: where(chain),
    todo: "nothing for Portico; kube-proxy in iptables mode accepts some of it, and its rules go",
    show: show(chain),
  }));
}

function dropping(chains: readonly Chain[], hooks: readonly string[]): Chain[] {
  return chains.filter(({ hook, policy }) => hooks.includes(hook ?? "") && policy === "drop");
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

function where({ table, name }: Chain): string {
  return `chain ${name} of table ${table}, policy drop`;
}

function show({ table, name }: Chain): string {
  return `nft list chain ${table} ${name}`;
}
