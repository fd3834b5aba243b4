// Facts → sysctls, bridges and limits of the node that stand in Portico's way. Pure. Which sysctls
// matter was tried (capture/kernel-settings.ts).

import { connectionsFor, udpFlowsFor } from "../../envoy/connection-limit.ts";
import { CALL_SYSCTLS } from "../capture/bridge-facts.ts";
import { redirectsBridges } from "../capture/bridge-plan.ts";
import { cidrContains } from "../model/ip.ts";
import type { IPFamily } from "../model/types.ts";
import { type PortRange, portCount, portRangeFrom } from "../system/local-ports.ts";
import type { CheckSettings, Link, NodeFacts } from "./facts.ts";
import { type Finding, listed } from "./finding.ts";

const CONNTRACK_COUNT = "net.netfilter.nf_conntrack_count";
const CONNTRACK_MAX = "net.netfilter.nf_conntrack_max";
const FORWARDING: Readonly<Record<IPFamily, string>> = {
  IPv4: "net.ipv4.ip_forward",
  IPv6: "net.ipv6.conf.all.forwarding",
};
const PORT_RANGE = "net.ipv4.ip_local_port_range";
/** The kernel's. */
const DEFAULT_PORT_RANGE = "32768 60999";
/** Bridges on which CNI plugins put Pods, by default. */
const POD_BRIDGES = /^(cni|cbr|kube-bridge|weave|mynet)\d*$/;
/** A connection through Envoy has two entries, one through kube-proxy has one. */
const CONNTRACK_SHARE = 0.5;
/** Each connection takes two. */
const FEW_DESCRIPTORS = 65_536;
/** Each UDP flow through Envoy takes one. */
const FEW_PORTS = 8_192;

/**
 * Reports sysctls, bridges of Pods and limits that matter to Portico. A sysctl that is absent on
 * the node has no finding.
 */
export function nodeSettingFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  return [
    ...sourceMarkFindings(facts),
    ...bridgeFindings(facts, settings),
    ...sysctlFindings(facts),
    ...forwardingFindings(facts, settings),
    ...limitFindings(facts),
  ];
}

function sourceMarkFindings({ sysctls }: NodeFacts): Finding[] {
  const name = /^net\.ipv4\.conf\.(.*)\.src_valid_mark$/;
  const on = [...sysctls].filter(([key, value]) => name.test(key) && value === "1");
  return on.map(([key, value]) => ({
    level: "blocker",
    what: "the kernel drops captured packets, because it looks up their sender by mark",
    seen: `${key} = ${value}`,
    todo: `sysctl -w ${key}=0`,
    show: `sysctl ${key}`,
  }));
}

/** Tried in namespaces (test/real/bridge.test.ts). */
function bridgeFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const { links = [], unseenNetworks, hookOrder } = facts;
  const ofPods = links.filter(
    (link) => link.kind === "bridge" && portsOf(link, links) > 0 && isOfPods(link, settings),
  );
  const names = Object.values(CALL_SYSCTLS);
  const show = `bridge link; sysctl ${names.join(" ")}`;
  const set = (value: 0 | 1) => names.map((name) => `sysctl -w ${name}=${value}`).join("; ");
  return ofPods.map(({ name, addresses }): Finding => {
    const unseen = unseenNetworks.filter(({ bridge }) => bridge === name).map(({ cidr }) => cidr);
    const seen = `${name} (${listed(addresses)})`;
    const calls = addresses.some(
      (address) => !isLinkLocal(address) && !unseen.some((cidr) => cidrContains(cidr, address)),
    );
    if (hookOrder === "oldest-first" && settings.bridgeCapture === "order" && calls) {
      const what =
        "Pods are on a bridge that calls iptables, and this kernel calls hooks in another " +
        "order than --bridge-capture order needs: TCP to Services would not work";
      return { level: "blocker", what, seen, todo: `omit that flag, or ${set(0)}`, show };
    }
    if (redirectsBridges(settings.bridgeCapture, hookOrder) && calls) {
      const what =
        "TCP connections of Pods on a bridge that calls iptables reach Envoy by NAT, which " +
        "adds 6 µs per connection";
      const why =
        hookOrder === "oldest-first" ? ", as this kernel calls its hooks oldest first" : "";
      return { level: "note", what, seen: `${seen}${why}`, todo: "", show };
    }
    if (unseen.length > 0) {
      const what =
        "Pods are on a bridge that does not call iptables: between Pods on it, the backend " +
        "sees the bridge's address";
      const todo =
        "to keep the client's address, as kube-proxy requires: modprobe br_netfilter; " +
        `${set(1)}`;
      return { level: "note", what, seen: `${seen}, ${listed(unseen)}`, todo, show };
    }
    const what = "Portico works with Pods on a bridge that calls iptables";
    return { level: "ok", what, seen, todo: "", show };
  });
}

function isLinkLocal(address: string): boolean {
  return cidrContains("fe80::/10", address);
}

function portsOf({ name }: Link, links: readonly Link[]): number {
  return links.filter(({ master, kind }) => master === name && kind === "veth").length;
}

function isOfPods({ name, addresses }: Link, { clusterCIDRs }: CheckSettings): boolean {
  if (POD_BRIDGES.test(name)) return true;
  return addresses.some((address) => clusterCIDRs.some((cidr) => cidrContains(cidr, address)));
}

function sysctlFindings({ sysctls }: NodeFacts): Finding[] {
  const findings: Finding[] = [];
  const say = (level: Finding["level"], name: string, what: string, todo: string) => {
    const seen = `${name} = ${sysctls.get(name)}`;
    findings.push({ level, what, seen, todo, show: `sysctl ${name}` });
  };
  if (sysctls.get("net.ipv4.tcp_early_demux") === "1") {
    const what = "portico run disables tcp_early_demux, portico cleanup restores it";
    say("note", "net.ipv4.tcp_early_demux", what, "");
  }
  if (sysctls.get("net.ipv4.conf.all.rp_filter") === "1") {
    say("ok", "net.ipv4.conf.all.rp_filter", "Portico works with a strict rp_filter", "");
  }
  return findings;
}

/** The settings are the node's, as for routed Pods (capture/policy-link.ts). */
function forwardingFindings({ sysctls, families }: NodeFacts, settings: CheckSettings): Finding[] {
  return families.flatMap((family): Finding[] => {
    const name = FORWARDING[family];
    if (sysctls.get(name) !== "0") return [];
    const seen =
      settings.policyHook === "forward"
        ? `, and network policies see Envoy's ${family} connections as the node's`
        : "";
    return [
      {
        level: "warning",
        what:
          `the node does not forward ${family}: Services work, but Pods reach nothing ` +
          `else${seen}`,
        seen: `${name} = 0`,
        todo: `sysctl -w ${name}=1`,
        show: `sysctl ${name}`,
      },
    ];
  });
}

function limitFindings({ sysctls, descriptors }: NodeFacts): Finding[] {
  const findings: Finding[] = [];
  const [count, max] = [Number(sysctls.get(CONNTRACK_COUNT)), Number(sysctls.get(CONNTRACK_MAX))];
  if (max > 0 && count / max > CONNTRACK_SHARE) {
    findings.push({
      level: "warning",
      what:
        "connection tracking is more than half full, and Portico needs two entries per " +
        "connection",
      seen: `${count} of ${max}`,
      todo: `sysctl -w ${CONNTRACK_MAX}=${max * 2}`,
      show: `sysctl ${CONNTRACK_COUNT} ${CONNTRACK_MAX}`,
    });
  }
  const range = portRangeFrom(sysctls.get(PORT_RANGE) ?? DEFAULT_PORT_RANGE);
  const ports = portCount(range);
  if (descriptors < FEW_DESCRIPTORS) {
    findings.push({
      level: "warning",
      what: "few open files are allowed, and each connection needs two in Envoy",
      seen:
        `${descriptors}, so at most ${connectionsFor(descriptors, ports)} connections and ` +
        `${udpFlowsFor(descriptors, ports)} UDP flows`,
      todo: "raise the limit for Portico: LimitNOFILE=1048576 in its unit",
      show: "ulimit -Hn",
    });
  }
  return [...findings, ...portRangeFindings(range)];
}

function portRangeFindings(range: PortRange): Finding[] {
  const areFew = portCount(range) <= FEW_PORTS;
  if (!areFew) return [];
  return [
    {
      level: "warning",
      what: "the node has few local ports, and each UDP flow through Envoy needs one",
      seen: `${PORT_RANGE} = ${range.first} ${range.last}`,
      todo: `sysctl -w ${PORT_RANGE}="${DEFAULT_PORT_RANGE}"`,
      show: `sysctl ${PORT_RANGE}`,
    },
  ];
}
