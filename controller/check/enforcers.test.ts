import { describe, expect, it } from "vitest";
import { ETH, FACTS } from "../../test/stand-ins/sound-node.ts";
import { enforcersIn, isOpen, type KernelTraces, tracesOf } from "./enforcers.ts";
import { nftFactsFrom } from "./nft-facts.ts";

const NONE: KernelTraces = { tables: [], chains: [], links: [] };

/** Makes what `nft --json list ruleset` prints, from chains such as "ip filter cali-FORWARD". */
function nftables(...names: string[]) {
  const nftables = names.flatMap((each) => {
    const [family = "", table = "", name = ""] = each.split(" ");
    return [{ table: { family, name: table, handle: 1 } }, { chain: { family, table, name } }];
  });
  return tracesOf({ ...FACTS, nft: nftFactsFrom(JSON.stringify({ nftables })) });
}

function iptables(...xtables: string[]) {
  return tracesOf({ ...FACTS, nft: undefined, xtables });
}

function links(...names: string[]) {
  return tracesOf({ ...FACTS, links: names.map((name) => ({ ...ETH, name })) });
}

/** "level name: what it says" of each. */
function found(traces: KernelTraces, hook: "forward" | "output" = "forward"): string[] {
  return enforcersIn(traces, hook).map(({ level, what }) => {
    return `${level} ${what.replace("network policies by ", "")}`;
  });
}

it("finds none where there is none", () => {
  expect(found(NONE)).toEqual([]);
  expect(found(tracesOf(FACTS))).toEqual([]);
  expect(found(nftables("inet portico capture", "ip kube-proxy services"))).toEqual([]);
});

describe("Calico", () => {
  it.each([
    ["nftables", nftables("ip calico filter-cali-FORWARD", "ip6 calico filter-cali-FORWARD")],
    ["iptables in nftables", nftables("ip filter cali-FORWARD", "ip filter cali-INPUT")],
    ["iptables", iptables(":INPUT ACCEPT [0:0]", ":cali-FORWARD - [0:0]", ":cali-INPUT - [0:0]")],
  ])("in %s", (_, traces) => {
    expect(found(traces)).toEqual([
      expect.stringMatching(/^warning Calico: ingress policies hold; egress policies see the Serv/),
    ]);
    expect(found(traces, "output")).toEqual([
      expect.stringMatching(/^blocker Calico: ingress policies do not hold for Pods of this node/),
    ]);
  });

  it("set up for IPVS lets out what egress policies deny", () => {
    const traces = iptables(":cali-FORWARD - [0:0]", ":cali-forward-check - [0:0]");
    for (const hook of ["forward", "output"] as const) {
      expect(found(traces, hook)).toEqual([
        expect.stringMatching(/^blocker Calico: egress policies do not hold for Services/),
      ]);
    }
  });
});

it.each([
  ["iptables", iptables(":KUBE-ROUTER-INPUT - [0:0]", ":KUBE-POD-FW-ABCDEFGHIJKLMNOP - [0:0]")],
  ["nftables", nftables("ip kube-router-filter-ipv4 KUBE-ROUTER-INPUT")],
])("kube-router judges both legs in each hook: %s", (_, traces) => {
  for (const hook of ["forward", "output"] as const) {
    expect(found(traces, hook)).toEqual([
      expect.stringMatching(/^note kube-router: policies hold on both legs, if it knows/),
    ]);
  }
});

it.each(["kube-network-policies", "kindnet-network-policies"])("%s trusts root", (table) => {
  const traces = nftables(`inet ${table} postrouting`);
  expect(found(traces)).toEqual([expect.stringMatching(/^note kube-network-policies: policies h/)]);
  expect(found(traces, "output")).toEqual([
    expect.stringMatching(/^blocker kube-network-policies: policies do not hold where Envoy runs/),
  ]);
});

it.each([
  ["antrea-gw0", "Antrea", "note", "where AntreaProxy is off, policies hold"],
  ["cilium_host", "Cilium", "warning", "not tested with Portico"],
])("by %s: %s", (name, enforcer, level, says) => {
  for (const hook of ["forward", "output"] as const) {
    const [only] = enforcersIn(links("eth0", name), hook);
    expect(only).toMatchObject({
      level,
      what: expect.stringContaining(`${enforcer}: ${says}`),
      seen: `link ${name}, policy hook ${hook}`,
    });
  }
});

it("counts as open what lets through, and not what keeps out or is not known", () => {
  const traces: KernelTraces = {
    tables: ["inet kube-network-policies"],
    chains: ["cali-FORWARD", "KUBE-ROUTER-INPUT"],
    links: ["antrea-gw0", "cilium_host"],
  };
  expect(enforcersIn(traces, "forward").filter(isOpen)).toEqual([]);
  expect(enforcersIn(traces, "forward")).toHaveLength(5);
  const open = enforcersIn(traces, "output").filter(isOpen);
  expect(open.map(({ what }) => what.split(":")[0])).toEqual([
    "network policies by Calico",
    "network policies by kube-network-policies",
  ]);
});
