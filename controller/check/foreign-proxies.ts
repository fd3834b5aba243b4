// Facts → other programs on the node that serve Services, or Portico itself. Pure. Which interface
// belongs to which program comes from their documentation.

import { familyOf } from "../model/ip.ts";
import type { Link, NodeFacts } from "./facts.ts";
import { type Finding, listed } from "./finding.ts";
import { hasKubeProxy } from "./kube-proxy.ts";

interface OtherProxy {
  /** An interface that identifies it. */
  link: RegExp;
  level: Finding["level"];
  what: string;
  todo: string;
}

// To add one: the interface that it makes on every node, and what to do about it.
const OTHERS: readonly OtherProxy[] = [
  {
    link: /^cilium_(host|net)$/,
    level: "warning",
    what: "Cilium",
    todo:
      "make sure that kubeProxyReplacement is false, or connections never reach Portico " +
      "(cilium-dbg status | grep KubeProxyReplacement), and that no policy keeps Pods from the " +
      "node",
  },
  {
    link: /^bpf(in|out)\.cali$/,
    level: "blocker",
    what: "Calico with eBPF, which serves Services itself",
    todo: "set bpfEnabled to false in its FelixConfiguration",
  },
  {
    link: /^kube-dummy-if$/,
    level: "blocker",
    what: "kube-router as a Service proxy",
    todo: "run it with --run-service-proxy=false and clean up (kube-router --cleanup-config)",
  },
  {
    link: /^ovn-k8s-mp\d+$/,
    level: "blocker",
    what: "OVN-Kubernetes, which serves Services itself",
    todo: "Portico cannot run with it; choose another network for the cluster",
  },
  {
    link: /^antrea-gw0$/,
    level: "warning",
    what: "Antrea",
    todo: "set antreaProxy.enable to false, or connections of Pods never reach Portico",
  },
];

/** The interface that NodeLocal DNSCache makes, with the addresses that it answers at. */
const NODE_CACHE = "nodelocaldns";

/**
 * Reports other programs that serve Services, each once, and a Portico that is there. Empty when
 * there are none.
 */
export function foreignProxyFindings(facts: NodeFacts): Finding[] {
  const names = (facts.links ?? []).map(({ name }) => name);
  return [
    ...OTHERS.flatMap((other) => {
      const own = names.filter((name) => other.link.test(name));
      return own.length === 0 ? [] : [otherFinding(other, own, facts)];
    }),
    ...nodeCacheFindings(facts),
    ...virtualServerFindings(facts),
    ...porticoFindings(facts),
  ];
}

function otherFinding(other: OtherProxy, own: string[], facts: NodeFacts): Finding {
  const { what, todo } = other;
  const maps = facts.pinned.filter((name) => name.startsWith("cilium_lb"));
  const seen = `interface ${listed(own)}${maps.length > 0 ? `, BPF maps ${listed(maps, 2)}` : ""}`;
  return { level: levelOf(other, facts), what, seen, todo, show: `ip link show ${own[0]}` };
}

/** Where no other program serves Services, this one does. */
function levelOf({ level }: OtherProxy, facts: NodeFacts): Finding["level"] {
  const isServedByOthers = hasKubeProxy(facts) || hasPortico(facts);
  return level === "warning" && !isServedByOthers ? "blocker" : level;
}

function nodeCacheFindings({ links = [] }: NodeFacts): Finding[] {
  const own = links.find(({ name }) => name === NODE_CACHE);
  if (!own) return [];
  return [
    {
      level: "note",
      what:
        "NodeLocal DNSCache: Portico does not capture traffic that it excludes from " +
        "connection tracking",
      seen: `interface ${NODE_CACHE}, ${listed([...own.addresses])}`,
      todo: "",
      show: `ip address show ${NODE_CACHE}; ${rawTablesOf(own)}`,
    },
  ];
}

/** The add-on has rules for the families of its addresses. */
function rawTablesOf({ addresses }: Link): string {
  const families = new Set(addresses.map(familyOf));
  const table = { IPv4: "ip", IPv6: "ip6" };
  const names = (["IPv4", "IPv6"] as const).filter((family) => families.has(family));
  return names.map((family) => `nft list table ${table[family]} raw`).join("; ");
}

/** Those of kube-proxy and kube-router are in their own findings. */
function virtualServerFindings({ virtualServers, links = [] }: NodeFacts): Finding[] {
  const isKnown = links.some(({ name }) => ["kube-ipvs0", "kube-dummy-if"].includes(name));
  if (virtualServers <= 0 || isKnown) return [];
  return [
    {
      level: "warning",
      what: "IPVS is in use, and intercepts connections before Envoy gets them",
      seen: `${virtualServers} virtual servers`,
      todo: "make sure that no virtual server has a Service's address",
      show: "cat /proc/net/ip_vs",
    },
  ];
}

function hasPortico({ porticoRuns, nft }: NodeFacts): boolean {
  return porticoRuns || hasTable(nft);
}

function hasTable(nft: NodeFacts["nft"]): boolean {
  return (nft?.tables ?? []).some(({ family, name }) => `${family} ${name}` === "inet portico");
}

function porticoFindings({ porticoRuns, nft }: NodeFacts): Finding[] {
  const show = "nft --terse list table inet portico";
  if (porticoRuns) {
    const seen = hasTable(nft) ? "running, with its table" : "running, without its table so far";
    return [{ level: "note", what: "Portico", seen, todo: "", show }];
  }
  if (!hasTable(nft)) return [];
  const todo = "portico run adopts it; portico cleanup removes it";
  return [{ level: "note", what: "Portico", seen: "its table, but no controller", todo, show }];
}
