// Facts → traces of kube-proxy on the node: running or left over, in which mode. Pure.

import type { CheckSettings, NodeFacts } from "./facts.ts";
import { type Finding, listed } from "./finding.ts";

const NFT_TABLES = ["ip kube-proxy", "ip6 kube-proxy"];
/** The kubelet makes chains of its own that begin with KUBE-. */
const KUBE_CHAIN = /^(-N |:)?(KUBE-(SERVICES|NODEPORTS|PROXY-FIREWALL|(SVC|SEP|EXT)-\w+))\b/;
const IPVS_LINK = "kube-ipvs0";
const MIGRATION = "to replace it, see deploy/MIGRATION.md";
const SHOW_MODE = "curl -s http://127.0.0.1:10249/proxyMode";
const SHOW: Record<string, string> = {
  nftables: "nft --terse list table ip kube-proxy",
  iptables: "iptables-save -t nat | grep KUBE-",
  ipvs: `ip address show ${IPVS_LINK}`,
};

/**
 * Reports the kube-proxy that runs, and the rules left over from every other mode. Never empty: one
 * finding says that there is none.
 */
export function kubeProxyFindings(facts: NodeFacts): Finding[] {
  const traces = tracesOf(facts);
  const running = runningMode(facts, traces);
  const modes = [...traces.keys()].filter((mode) => mode !== running);
  const stale = modes.map((mode) => left(mode, traces.get(mode) ?? "", running));
  if (running !== undefined) return [present(running, traces.get(running) ?? "no rule"), ...stale];
  if (stale.length > 0) return stale;
  const show = "nft list tables; iptables-save | grep KUBE-";
  return [{ level: "ok", what: "kube-proxy", seen: "not here", todo: "", show }];
}

/** Reports how connections are balanced instead of by a scheduler of IPVS; none in other modes. */
export function schedulerFindings({ ipvsScheduler: seen }: CheckSettings): Finding[] {
  if (seen === undefined) return [];
  const todo = "set another with portico run --balancing, or for a Service by annotation";
  const show = "kubectl -n kube-system get configmap kube-proxy -o yaml | grep scheduler";
  return [{ level: "note", what: "balancing", seen, todo, show }];
}

/** Reports whether it runs here, or has left something. */
export function hasKubeProxy(facts: NodeFacts): boolean {
  const traces = tracesOf(facts);
  return traces.size > 0 || runningMode(facts, traces) !== undefined;
}

/** Returns each mode with what is there of it. */
function tracesOf(facts: NodeFacts): Map<string, string> {
  const traces = new Map<string, string>();
  const tables = (facts.nft?.tables ?? []).map(({ family, name }) => `${family} ${name}`);
  const own = tables.filter((table) => NFT_TABLES.includes(table));
  if (own.length > 0) traces.set("nftables", `tables ${own.join(", ")}`);
  const chains = kubeChains(facts);
  if (chains.length > 0) traces.set("iptables", `chains ${listed(chains, 3)}`);
  if ((facts.links ?? []).some(({ name }) => name === IPVS_LINK)) {
    const count = Math.max(facts.virtualServers, 0);
    traces.set("ipvs", `interface ${IPVS_LINK}, ${count} virtual servers`);
    // This mode has some of these chains too.
    traces.delete("iptables");
  }
  return traces;
}

function kubeChains({ nft, xtables }: NodeFacts): string[] {
  const names = [...xtables, ...(nft?.chains ?? []).map(({ name }) => name)];
  return [...new Set(names.flatMap((name) => KUBE_CHAIN.exec(name)?.[2] ?? []))];
}

/** Returns "unknown" when it runs, and does not report its mode. */
function runningMode(facts: NodeFacts, traces: Map<string, string>): string | undefined {
  const { proxyMode, processes } = facts;
  if (proxyMode !== undefined && proxyMode in SHOW) return proxyMode;
  if (!processes.includes("kube-proxy")) return undefined;
  const [only] = traces.keys();
  return traces.size === 1 ? only : "unknown";
}

function present(mode: string, trace: string): Finding {
  const seen = `running in ${mode} mode, ${trace}`;
  const show = SHOW[mode] ?? SHOW_MODE;
  if (mode !== "ipvs") return { level: "note", what: "kube-proxy", seen, todo: MIGRATION, show };
  const todo =
    "change it to nftables mode first: its rules intercept traffic that Portico hands to " +
    "Envoy; or drain the node, stop it and run kube-proxy --cleanup";
  return { level: "blocker", what: "kube-proxy", seen, todo, show };
}

function left(mode: string, trace: string, running: string | undefined): Finding {
  const what = `rules of kube-proxy in ${mode} mode are left over`;
  const clean = "run kube-proxy --cleanup, of the version that wrote them";
  const todo =
    running === undefined
      ? `${clean}; these rules redirect host processes`
      : `${clean}, and start kube-proxy again`;
  const level = mode === "ipvs" ? "blocker" : "warning";
  return { level, what, seen: trace, todo, show: SHOW[mode] ?? SHOW_MODE };
}
