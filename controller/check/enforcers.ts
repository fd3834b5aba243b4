// What others have in the kernel → which program enforces NetworkPolicies on the node, and whether
// policies hold for connections through Services. Pure. Every statement comes from the enforcer's
// own source, which is named next to it; nothing is claimed without such a source.
//
// A connection to a Service has two legs, and rules of others see each by itself:
//
//    Pod   10.1.1.10 → 10.96.0.10:80      input hook, where Envoy gets it
//    Envoy 10.1.1.10 → 10.1.1.11:8080     forward hook, or output (--policy-hook)

import type { PolicyHook } from "../capture/options.ts";
import type { NodeFacts } from "./facts.ts";
import { type Finding, type Level, listed } from "./finding.ts";

/** Names of objects in the kernel. */
export interface KernelTraces {
  /** "inet kube-network-policies": family and name. */
  tables: readonly string[];
  /** Of nftables, and of the older iptables. */
  chains: readonly string[];
  links: readonly string[];
}

interface Statement {
  level: Level;
  /** What holds and what does not, after the enforcer's name. */
  says: string;
  todo: string;
}

/** The level of a policy that lets in, or out, what it should not. */
const OPEN: Level = "blocker";
const USE_FORWARD = "run Portico with --policy-hook forward";

interface Enforcer {
  name: string;
  of: keyof KernelTraces;
  /** Matches what it makes on every node. */
  pattern: RegExp;
  /** A command that shows it. */
  show: string;
  /** `hook`: where rules see Envoy's connections. */
  statement: (hook: PolicyHook, traces: KernelTraces) => Statement;
}

// To add one: what it makes on every node, and what its source says about the two legs.
const ENFORCERS: readonly Enforcer[] = [
  {
    name: "Calico",
    of: "chains",
    // felix/rules/rule_defs.go; in nftables with the name of the iptables table as a prefix.
    pattern: /^(filter-)?cali-FORWARD$/,
    show: "nft list ruleset | grep cali-; iptables-save | grep cali-",
    statement: calico,
  },
  {
    name: "kube-router",
    of: "chains",
    // pkg/controllers/netpol: kubeInputChainName, for iptables and nftables.
    pattern: /^KUBE-ROUTER-INPUT$/,
    show: "iptables -S KUBE-ROUTER-INPUT; nft list table ip kube-router-filter-ipv4",
    // pkg/controllers/netpol/pod.go: all three hooks call a Pod's chain, with the Pod's address as
    // source and as destination. KUBE-ROUTER-INPUT returns before it for Services.
    statement: () => ({
      level: "note",
      says: "policies hold on both legs, if it knows the addresses of Services",
      todo:
        "set its --service-cluster-ip-range, --service-node-port-range, " +
        "--service-external-ip-range and --loadbalancer-ip-range to this cluster's; addresses " +
        "outside these ranges are blocked for Pods with an egress policy",
    }),
  },
  {
    name: "kube-network-policies",
    of: "tables",
    // Its own name, and kindnet's (cmd/kindnetd/main.go).
    pattern: /^inet (kube|kindnet)-network-policies$/,
    show: "nft list tables; nft list chain inet kube-network-policies postrouting",
    statement: networkPolicies,
  },
  {
    name: "Antrea",
    of: "links",
    pattern: /^antrea-gw0$/,
    show: "ip link show antrea-gw0",
    // With AntreaProxy off, serviceCIDRDNATFlows in pkg/agent/openflow send packets to the Service
    // range to the host without judging them. Egress rules go by source address, so they judge what
    // comes back. localProbeFlows skip packets with HostLocalSourceMark, which pkg/agent/route sets
    // on packets from an address of the node.
    statement: () => ({
      level: "note",
      says:
        "where AntreaProxy is off, policies hold on client and backend as with kube-proxy; " +
        "tested with rules modelled on its sources. Where it is on, Antrea serves cluster IPs",
      todo: "",
    }),
  },
  {
    name: "Cilium",
    of: "links",
    pattern: /^cilium_(host|net)$/,
    show: "ip link show type veth",
    statement: () => ({
      level: "warning",
      says:
        "not tested with Portico. It enforces policies with eBPF on the Pods' interfaces, " +
        "where neither --policy-hook nor kernel rules change what it sees",
      todo: "test this cluster's policies before you rely on them",
    }),
  },
];

/**
 * felix/rules/static.go. cali-OUTPUT returns for packets to a Pod of this node, so that probes
 * work; cali-FORWARD applies the policies of the outgoing interface. cali-INPUT applies those of
 * the sending Pod. With kube-proxy in IPVS mode (cali-forward-check exists then) it returns for
 * packets to Services, and leaves them to cali-OUTPUT, by a mark that Envoy's packets lack.
 */
function calico(hook: PolicyHook, { chains }: KernelTraces): Statement {
  if (chains.some((name) => /^(filter-)?cali-forward-check$/.test(name))) {
    return {
      level: OPEN,
      says:
        "egress policies do not hold for Services: it is configured for kube-proxy in IPVS " +
        "mode",
      todo: "remove kube-proxy's interface kube-ipvs0, and restart calico-node",
    };
  }
  if (hook === "output") {
    return {
      level: OPEN,
      says: "ingress policies do not hold for Pods of this node: it trusts traffic from the node",
      todo: USE_FORWARD,
    };
  }
  return {
    level: "warning",
    says:
      "ingress policies hold; egress policies see the Service's address and port: what they " +
      "allow by Pod or namespace is blocked, and what they allow by Service range or by port " +
      "alone is allowed to any backend",
    todo:
      "list cluster IPs individually, by ipBlock, in the egress policies of Pods that dial " +
      "them",
  };
}

/**
 * pkg/dataplane/controller.go. One chain, in the postrouting hook, for both directions: it accepts
 * what a process of root sends (`meta skuid 0`), and judges all other packets.
 */
function networkPolicies(hook: PolicyHook): Statement {
  if (hook === "forward") {
    const says = "policies hold, ingress and egress, on client and backend as with kube-proxy";
    return { level: "note", says, todo: "" };
  }
  return {
    level: OPEN,
    says: "policies do not hold where Envoy runs as root: it trusts root's traffic",
    todo: USE_FORWARD,
  };
}

/** Returns a finding for each enforcer, in the words of `portico check`. */
export function enforcersIn(traces: KernelTraces, hook: PolicyHook): Finding[] {
  return ENFORCERS.flatMap(({ name, of, pattern, show, statement }) => {
    const own = traces[of].filter((each) => pattern.test(each));
    if (own.length === 0) return [];
    const { level, says, todo } = statement(hook, traces);
    const seen = `${of.slice(0, -1)} ${listed(own)}, policy hook ${hook}`;
    return [{ level, what: `network policies by ${name}: ${says}`, seen, todo, show }];
  });
}

/**
 * Returns the names that identify enforcers of network policies: tables with their family, chains
 * of nft and iptables each once, interfaces. Empty where a program could not be run.
 */
export function tracesOf({ nft, xtables, links = [] }: NodeFacts): KernelTraces {
  const names = (nft?.chains ?? []).map(({ name }) => name);
  return {
    tables: (nft?.tables ?? []).map(({ family, name }) => `${family} ${name}`),
    chains: [...new Set([...names, ...chainsInXtables(xtables)])],
    links: links.map(({ name }) => name),
  };
}

/** Returns the chains in lines of iptables-save: ":cali-FORWARD - [0:0]". */
export function chainsInXtables(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /^(?::|-N )(\S+)/.exec(line)?.[1] ?? []);
}

/** Reports whether a finding says that policies let through what they should not. */
export function isOpen({ level }: Finding): boolean {
  return level === OPEN;
}
