import { describe, expect, it } from "vitest";
import { notEmpty } from "../../test/not-empty.ts";
import { found, only } from "../../test/stand-ins/found-on-node.ts";
import { ETH, FACTS, NFT, SETTINGS } from "../../test/stand-ins/sound-node.ts";
import { checkNode } from "./check-node.ts";
import type { Link, NodeFacts, Rule } from "./facts.ts";

function sysctl(name: string, value: string): Partial<NodeFacts> {
  return { sysctls: new Map([...FACTS.sysctls, [name, value]]) };
}

function link(name: string, more: Partial<Link> = {}): Link {
  return { name, kind: "", master: undefined, addresses: [], ...more };
}

it("finds nothing wrong with a node where nothing is in the way", () => {
  expect(found({})).toEqual([]);
});

it("gives every finding something to show it by, and all but ok ones something to do", () => {
  const facts = { ...FACTS, ...sysctl("net.ipv4.ip_forward", "0"), links: [link("cilium_host")] };
  const findings = checkNode(facts, SETTINGS);
  expect(notEmpty(findings, "findings").filter(({ show }) => show === "")).toEqual([]);
  expect(findings.filter(({ todo, level }) => todo === "" && level !== "ok")).toEqual([]);
  expect(findings.map(({ level }) => level)).toEqual([
    "blocker",
    "warning",
    "warning",
    "ok",
    "ok",
    "ok",
    "ok",
    "ok",
    "ok",
  ]);
});

describe("kube-proxy", () => {
  const tables = [
    { family: "ip", name: "kube-proxy" },
    { family: "ip6", name: "kube-proxy" },
  ];
  const nft = { ...NFT, tables };
  const xtables = [":KUBE-SERVICES - [0:0]", ":KUBE-SVC-ABC - [0:0]"];
  const ipvs = { links: [ETH, link("kube-ipvs0", { kind: "dummy" })], virtualServers: 12 };

  it("that runs is a note, in nftables and in iptables mode", () => {
    expect(only({ nft, proxyMode: "nftables" })).toBe(
      "note kube-proxy: running in nftables mode, tables ip kube-proxy, ip6 kube-proxy",
    );
    expect(only({ xtables, processes: ["kube-proxy"] })).toMatch(
      /^note kube-proxy: running in iptables mode, chains KUBE-SERVICES, KUBE-SVC-ABC$/,
    );
  });

  it("that runs in ipvs mode is a blocker, whatever chains it has", () => {
    expect(only({ ...ipvs, xtables, proxyMode: "ipvs" })).toBe(
      "blocker kube-proxy: running in ipvs mode, interface kube-ipvs0, 12 virtual servers",
    );
  });

  it("that is gone may have left its rules", () => {
    expect(only({ nft })).toMatch(
      /^warning rules of kube-proxy in nftables mode .*: tables ip kub/,
    );
    expect(only({ xtables })).toMatch(/^warning rules of kube-proxy in iptables mode/);
    expect(only(ipvs)).toMatch(/^blocker rules of kube-proxy in ipvs mode/);
    expect(found({ nft, xtables, proxyMode: "nftables" })).toEqual([
      expect.stringMatching(/^warning rules of kube-proxy in iptables mode/),
      expect.stringMatching(/^note kube-proxy: running in nftables mode/),
    ]);
  });

  it("is not taken for the kubelet, nor Portico for it", () => {
    expect(found({ proxyMode: "portico", xtables: [":KUBE-FIREWALL - [0:0]"] })).toEqual([]);
  });
});

it("knows other proxies by their interfaces", () => {
  const beside = { xtables: [":KUBE-SERVICES - [0:0]"], proxyMode: "iptables" };
  const names = ["cilium_net", "bpfin.cali", "kube-dummy-if", "ovn-k8s-mp0", "antrea-gw0"];
  const levels = names.map((name) => {
    const [worst = ""] = found({ ...beside, links: [ETH, link(name)] });
    return worst.split(" ", 2).join(" ");
  });
  expect(levels).toEqual([
    "warning Cilium:",
    "blocker Calico",
    "blocker kube-router",
    "blocker OVN-Kubernetes,",
    "warning Antrea:",
  ]);
});

it("takes who is there without kube-proxy for who serves", () => {
  const cilium = { links: [link("cilium_host")] };
  expect(found(cilium)[0]).toBe("blocker Cilium: interface cilium_host");
  expect(found({ ...cilium, porticoRuns: true })[0]).toMatch(/^warning Cilium/);
});

it("knows NodeLocal DNSCache", () => {
  const links = [ETH, { ...link("nodelocaldns"), addresses: ["169.254.20.10", "10.96.0.10"] }];
  expect(only({ links })).toMatch(
    /^note NodeLocal DNSCache.*: interface nodelocaldns, 169\.254\.20\.10, 10\.96\.0\.10$/,
  );
});

it.each([
  [["169.254.20.10", "fd00::a"], "nft list table ip raw; nft list table ip6 raw"],
  [["fd00::a"], "nft list table ip6 raw"],
])("shows the rules of NodeLocal DNSCache with %s", (addresses, tables) => {
  const links = [ETH, { ...link("nodelocaldns"), addresses }];
  const findings = checkNode({ ...FACTS, links }, SETTINGS);
  const shown = findings.filter(({ what }) => what.startsWith("NodeLocal")).map(({ show }) => show);
  expect(shown).toEqual([`ip address show nodelocaldns; ${tables}`]);
});

it("knows IPVS of others", () => {
  expect(only({ virtualServers: 3 })).toMatch(/^warning IPVS is in use.*: 3 virtual servers$/);
  expect(found({ virtualServers: 0 })).toEqual([]);
});

it("tells of a Portico that runs, or was here", () => {
  const nft = { ...NFT, tables: [{ family: "inet", name: "portico" }] };
  const listeners = [{ protocol: "TCP" as const, address: "0.0.0.0", port: 15401 }];
  expect(only({ nft, listeners, porticoRuns: true })).toBe("note Portico: running, with its table");
  expect(only({ nft, listeners })).toBe("note Portico: its table, but no controller");
});

it("names what nft and the kernel lack", () => {
  expect(only({ nft: undefined })).toMatch(/^blocker cannot run nft/);
  expect(only({ nft: { ...NFT, version: "0.9.8" } })).toMatch(/^warning nft is older .*: 0.9.8$/);
  const missing = { name: "socket lookup", module: "nft_socket", said: "Error: no such file" };
  expect(only({ missingFeatures: [missing] })).toBe(
    "blocker the kernel or nft lacks socket lookup: Error: no such file",
  );
  expect(only({ families: ["IPv4"] })).toMatch(/^note IPv6 is disabled/);
});

describe("addresses", () => {
  const route = { isOwn: false, table: "254", dev: "eth1", protocol: "3" };

  it("of the node must not be Services'", () => {
    const links = [ETH, link("dummy0", { addresses: ["10.96.0.10"] })];
    expect(only({ links })).toMatch(/^warning a Service CIDR .*: 10.96.0.10 on dummy0$/);
    const ipvs = link("kube-ipvs0", { addresses: ["10.96.0.10"] });
    expect(found({ links: [ipvs], proxyMode: "ipvs" })).toHaveLength(1);
  });

  it("that a route leads to must not be Services', but the default route leads everywhere", () => {
    const to = (destination: string) => ({
      routes: [{ ...route, family: "IPv4" as const, destination }],
    });
    expect(only(to("10.96.128.0/17"))).toMatch(/: route 10.96.128.0\/17 dev eth1 in table 254$/);
    expect(only(to("10.0.0.0/8"))).toMatch(/^warning a Service CIDR/);
    expect(found(to("0.0.0.0/0"))).toEqual([]);
    expect(found(to("10.97.0.0/16"))).toEqual([]);
  });

  it("of Envoy's UDP listeners must be nobody's", () => {
    const links = [ETH, link("eth1", { addresses: ["243.0.0.1"] })];
    expect(only({ links })).toMatch(/^blocker addresses that Portico uses .*: 243.0.0.1 on eth1$/);
    const destination = "fd70:6f72::/32";
    const routes = [{ ...route, family: "IPv6" as const, destination }];
    expect(only({ routes })).toMatch(/^blocker addresses that Portico uses/);
  });

  it("of Services may be unknown", () => {
    expect(only({}, { serviceCIDRs: [] })).toMatch(/^note the Service CIDRs are unknown/);
  });
});

describe("marks, tables, priorities and zones", () => {
  const mark = (value: number) => ({ nft: { ...NFT, marks: [{ value, where: "nftables: x" }] } });

  it("of others must be others", () => {
    expect(only(mark(0x1000))).toMatch(/^blocker .* packet mark's bit 0x1000: nftables: x$/);
    expect(only(mark(0xc0))).toMatch(/^blocker .* packet mark's bit 0x40/);
    expect(only(mark(0x20))).toMatch(/^blocker .* packet mark's bit 0x20/);
    expect(only(mark(0x10))).toMatch(/^blocker .* packet mark's bit 0x10/);
    expect(found(mark(0x4000))).toEqual([]);
    expect(found(mark(0xffff_ffff))).toEqual([]);
    expect(found(mark(0x1000), { markBit: 0x2000 })).toEqual([]);
  });

  it("are found in iptables", () => {
    const rule = (text: string) => ({ xtables: [`-A X ${text}`] });
    expect(only(rule("-j MARK --set-xmark 0x1000/0x1000"))).toMatch(/^blocker .*0x1000/);
    expect(only(rule("-m mark --mark 0x1000/0xf000 -j RETURN"))).toMatch(/^blocker .*0x1000/);
    expect(only(rule("-j CT --zone 4100"))).toMatch(/^warning .*zone 4100/);
    expect(found(rule("-j CT --zone 410"))).toEqual([]);
  });

  const plain: Rule = {
    family: "IPv4",
    protocol: "",
    fwmark: undefined,
    priority: 50,
    table: "7",
    asksMore: false,
    isInverted: false,
    isIdle: false,
  };
  const asking = (value: number, mask: number) => ({ fwmark: { value, mask } });

  it.each<[string, Partial<Rule>]>([
    ["for all", {}],
    ["for some", { asksMore: true }],
    ["for all but some", { asksMore: true, isInverted: true }],
    [
      "for all but those with another mark, as Calico's",
      {
        ...asking(0x100000, 0x100000),
        isInverted: true,
      },
    ],
    ["for those without another mark", asking(0, 0x80)],
    ["that drops", { table: "" }],
  ])("are taken by a rule %s that comes before Portico's", (_, differing) => {
    const rules = [{ ...plain, ...differing }];
    const finding = only({ rules }, { rulePriority: 100 });
    expect(finding).toMatch(/^warning a routing rule precedes .*: IPv4 50/);
    expect(found({ rules }, { rulePriority: 49 })).toEqual([]);
  });

  it.each<[string, Partial<Rule>]>([
    ["of the table local", { table: "local" }],
    ["that does nothing", { isIdle: true, table: "" }],
    ["for another mark, as Cilium's", asking(0x200, 0xf00)],
    ["for all but everything", { isInverted: true }],
  ])("are not taken by a rule %s", (_, differing) => {
    expect(found({ rules: [{ ...plain, ...differing }] }, { rulePriority: 100 })).toEqual([]);
  });

  it("are somebody else's where a rule asks for them", () => {
    const rules = [{ ...plain, ...asking(0x1000, 0x1000) }];
    expect(only({ rules })).toMatch(/^blocker/);
  });

  it("are found among routes and in zones", () => {
    const route = { family: "IPv4" as const, destination: "0.0.0.0/0", isOwn: true, dev: "lo" };
    const routes = [{ ...route, table: "4100", protocol: "4" }];
    expect(only({ routes })).toMatch(/^blocker another program has routes in table 4100/);
    const next = { routes: [{ ...route, table: "4101", protocol: "4" }] };
    expect(only(next)).toMatch(/^blocker another program has routes in table 4101/);
    expect(found(next, { policyHook: "output" })).toEqual([]);
    const nft = { ...NFT, zones: [{ value: 4100, where: "nftables: x" }] };
    expect(only({ nft })).toMatch(/^warning another program uses conntrack zone 4100/);
  });
});

describe("ports", () => {
  const listens = (port: number, address = "0.0.0.0", protocol: "TCP" | "UDP" = "TCP") => ({
    listeners: [{ protocol, address, port }],
  });

  it("of Envoy's must be free", () => {
    expect(only(listens(15402, "::"))).toMatch(
      /^blocker a capture port of Envoy .*: TCP \[::\]:15402$/,
    );
    expect(only(listens(15404, "0.0.0.0", "UDP"))).toMatch(/^blocker the port of Envoy's UDP/);
    expect(found(listens(15404, "192.0.2.1", "UDP"))).toEqual([]);
    expect(found(listens(15402), { capturePorts: [1, 2, 3] })).toEqual([]);
    expect(found(listens(15405))).toEqual([]);
    expect(only(listens(15405), { bridgeCapture: "redirect" })).toMatch(
      /^blocker a capture port of Envoy /,
    );
  });

  it("of health and metrics may be kube-proxy's for a while", () => {
    expect(only(listens(10256))).toMatch(/^warning the health port is in use: TCP 0.0.0.0:10256$/);
    const beside = { ...listens(10249), proxyMode: "nftables" };
    expect(found(beside)).toContainEqual(
      "note the metrics port is kube-proxy's: TCP 0.0.0.0:10249",
    );
    expect(found(listens(10249), { metricsPort: undefined })).toEqual([]);
  });
});

describe("settings", () => {
  it("that stand in the way are named", () => {
    expect(only(sysctl("net.ipv4.conf.eth0.1.src_valid_mark", "1"))).toMatch(/^blocker /);
    const noIPv4 = sysctl("net.ipv4.ip_forward", "0");
    expect(only(noIPv4)).toMatch(/^warning the node does not forward IPv4: .* as the node's: net/);
    expect(only(noIPv4, { policyHook: "output" })).toMatch(/^warning .* Pods reach nothing else: /);
    const noIPv6 = sysctl("net.ipv6.conf.all.forwarding", "0");
    expect(only(noIPv6)).toMatch(/^warning the node does not forward IPv6: /);
    expect(only({ ...noIPv6, families: ["IPv4"] })).toMatch(/^note IPv6 is disabled/);
    expect(only(sysctl("net.ipv4.tcp_early_demux", "1"))).toMatch(/^note portico run disables/);
    expect(only(sysctl("net.ipv4.ip_local_port_range", "60000 60999"))).toMatch(/^warning .*ports/);
    expect(only({ descriptors: 1024 })).toMatch(
      /^warning .*: 1024, so at most 156 connections and 512 UDP flows$/,
    );
    expect(found(sysctl("net.ipv4.conf.all.rp_filter", "1"))).toEqual([]);
  });

  it("of connection tracking: twice as many entries must fit", () => {
    const tracked = (count: string) => ({
      sysctls: new Map([
        ["net.netfilter.nf_conntrack_count", count],
        ["net.netfilter.nf_conntrack_max", "1000"],
      ]),
    });
    expect(only(tracked("501"))).toMatch(/^warning connection tracking .*: 501 of 1000$/);
    expect(found(tracked("499"))).toEqual([]);
  });

  describe("of bridges with Pods", () => {
    const bridge = link("br0", { kind: "bridge", addresses: ["10.1.9.1", "fe80::1"] });
    const links = [bridge, link("veth1", { kind: "veth", master: "br0" })];
    const unseenNetworks = [{ bridge: "br0", cidr: "10.1.9.0/24" }];

    it("nothing where they call iptables", () => {
      expect(found({ links })).toEqual([]);
      expect(found({ links, hookOrder: "latest-first" })).toEqual([]);
    });

    it("what backends see where they do not", () => {
      expect(only({ links, unseenNetworks })).toMatch(
        /^note Pods are on a bridge that does not .*: br0 \(10.1.9.1, fe80::1\), 10.1.9.0\/24$/,
      );
      expect(found({ links, unseenNetworks }, { clusterCIDRs: [] })).toEqual([]);
      expect(found({ links: [bridge], unseenNetworks })).toEqual([]);
    });

    it("a kernel with another order of hooks, where that matters", () => {
      const hookOrder = "oldest-first";
      const byNAT = /^note TCP connections of Pods .* by NAT/;
      expect(only({ links, hookOrder })).toMatch(byNAT);
      expect(only({ links, hookOrder, unseenNetworks })).toMatch(/^note Pods are on a bridge/);
      const bridgeCapture = "order";
      expect(only({ links, hookOrder }, { bridgeCapture })).toMatch(/^blocker Pods are on a br/);
      expect(found({ links }, { bridgeCapture })).toEqual([]);
      expect(only({ links }, { bridgeCapture: "redirect" })).toMatch(byNAT);
    });
  });
});
