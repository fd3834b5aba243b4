// Pods that are ports of a bridge, as the CNI plugin of that name makes them, reach Services with
// Portico's default flags, whether the bridge shows their packets to iptables or not. Their address
// is kept wherever kube-proxy keeps it.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../controller/explain/explanation.ts";
import { eventually } from "../eventually.ts";
import { makeNode } from "../namespaces/cluster.ts";
import {
  BridgeLab,
  bridgedPod,
  callIptables,
  FAMILIES,
  type Family,
  makeBridge,
  PROTOCOLS,
  type Protocol,
  sh,
} from "./bridge-lab.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const LAG_MS = 30_000;
const NO_SETTING = "this kernel has no bridge-nf-call-iptables";
const KINDS = FAMILIES.flatMap((family) => PROTOCOLS.map((protocol) => ({ family, protocol })));

let lab: BridgeLab;

beforeAll(async () => {
  lab = await BridgeLab.make();
  await lab.start();
});

afterAll(() => lab?.close());

/** Sets the sysctls of both families; resolves once Portico's rules are made for that. */
async function callIptablesAndFollow(value: 0 | 1): Promise<boolean> {
  if (!(await callIptables(lab.node, value))) return false;
  for (const family of FAMILIES) await followed(family, value);
  return true;
}

/**
 * Nothing dials meanwhile: a connection that began between the change and the new rules waits for
 * its answer in vain, and so do later ones, since Envoy gives what connects first to who asked
 * first.
 */
async function followed(family: Family, value: 0 | 1): Promise<void> {
  const header = family === "IPv4" ? "ip" : "ip6";
  const rule = new RegExp(`oifname "cni0" ${header} saddr .* masquerade`);
  await eventually(`rules for ${family} with the sysctl at ${value}`, 2 * LAG_MS, async () => {
    return rule.test(await sh(lab.node, "nft list chain inet portico hairpin")) === (value === 0);
  });
}

/** Whom the backends see, by where the client and its backend are. */
async function everyWay(family: Family, protocol: Protocol): Promise<Record<string, string>> {
  const node = lab.address("node", family);
  const port = (backend: "b" | "local") => lab.nodePort(backend, family, protocol);
  const ways = {
    "the same bridge": lab.ask("a", "b", family, protocol),
    "another node": lab.ask("a", "d", family, protocol),
    "a routed Pod": lab.ask("a", "routed", family, protocol),
    "from a routed Pod": lab.ask("routed", "b", family, protocol),
    "the Pod itself": lab.ask("a", "a", family, protocol),
    "a node port, from a Pod": lab.seen("a", node, port("b"), protocol),
    "a node port, from outside": lab.seen("outside", node, port("b"), protocol),
    "policy Local, from a Pod": lab.seen("a", node, port("local"), protocol),
    "policy Local, from outside": lab.seen("outside", node, port("local"), protocol),
    "not through a Service": lab.seen("a", lab.address("b", family), 8080, protocol),
  };
  const entries = Object.entries(ways).map(async ([way, seen]) => [way, await seen] as const);
  return Object.fromEntries(await Promise.all(entries));
}

function expected(family: Family, sameBridge: "a" | "bridge"): Record<string, string> {
  const [a, bridge] = [lab.address("a", family), lab.address("bridge", family)];
  return {
    "the same bridge": lab.address(sameBridge, family),
    "another node": a,
    "a routed Pod": a,
    "from a routed Pod": lab.node.pod("routed").addresses[FAMILIES.indexOf(family)] as string,
    "the Pod itself": bridge,
    "a node port, from a Pod": bridge,
    "a node port, from outside": bridge,
    "policy Local, from a Pod": lab.address(sameBridge, family),
    "policy Local, from outside": lab.address("outside", family),
    "not through a Service": a,
  };
}

describe("where bridges call iptables", () => {
  it.for(KINDS)("reach all, with their own address: $family $protocol", async (kind, context) => {
    const { family, protocol } = kind;
    context.skip(!(await callIptablesAndFollow(1)), NO_SETTING);
    expect(await everyWay(family, protocol)).toEqual(expected(family, "a"));
  });

  it.each(FAMILIES)("carry streams: %s", async (family) => {
    await callIptablesAndFollow(1);
    const text = "0123456789".repeat(100_000);
    for (const backend of ["b", "d"] as const) {
      const dialer = await lab.pod("a").dialer();
      const connection = await dialer.open(lab.vip(backend, family, "TCP"), 80);
      expect((await connection.echo(text, LAG_MS)) === text).toBe(true);
      await connection.close();
    }
  });

  it.each([
    ["hairpin mode", "ip link set port-a type bridge_slave hairpin on", "hairpin off"],
    ["a promiscuous bridge", "ip link set cni0 promisc on", "promisc off"],
  ])("work with %s", async (_, script, off) => {
    await callIptablesAndFollow(1);
    await sh(lab.node, script);
    await sh(lab.node, script.replace("port-a", "port-b"));
    for (const { family, protocol } of KINDS) {
      expect(await everyWay(family, protocol)).toEqual(expected(family, "a"));
    }
    for (const port of ["port-a", "port-b"]) {
      const undo = script.replace("port-a", port).replace(/(hairpin|promisc) on/, off);
      await sh(lab.node, undo);
    }
  });
});

describe("where they do not", () => {
  it.each(KINDS)("reach all, on one bridge by its address: $family $protocol", async (kind) => {
    const { family, protocol } = kind;
    await callIptablesAndFollow(0);
    expect(await everyWay(family, protocol)).toEqual(expected(family, "bridge"));
  });
});

it("each family by its own sysctl", async () => {
  await callIptablesAndFollow(1);
  await sh(lab.node, "echo 0 > /proc/sys/net/bridge/bridge-nf-call-ip6tables");
  await followed("IPv6", 0);
  for (const protocol of PROTOCOLS) {
    expect(await everyWay("IPv4", protocol)).toEqual(expected("IPv4", "a"));
    expect(await everyWay("IPv6", protocol)).toEqual(expected("IPv6", "bridge"));
  }
});

it("with a bridge that calls iptables by itself", { timeout: 3 * LAG_MS }, async () => {
  await callIptablesAndFollow(0);
  await sh(lab.node, "ip link set cni0 type bridge nf_call_iptables 1");
  await followed("IPv4", 1);
  expect(await everyWay("IPv4", "UDP")).toEqual(expected("IPv4", "a"));
  expect(await everyWay("IPv6", "UDP")).toEqual(expected("IPv6", "bridge"));
  await sh(lab.node, "ip link set cni0 type bridge nf_call_iptables 0");
});

it("masqueraded, when everybody is to be", async () => {
  await lab.portico.end("SIGTERM");
  await lab.start("--masquerade-all");
  for (const value of [0, 1] as const) {
    await callIptables(lab.node, value);
    for (const { family, protocol } of KINDS) {
      expect(await lab.ask("a", "b", family, protocol)).toBe(lab.address("bridge", family));
    }
  }
  await lab.portico.end("SIGTERM");
  await lab.start();
});

it.for([
  [1, "kept"],
  [0, "bridge"],
] as const)("as explain says, with the sysctl at %i: %s", async ([value, sourceIs], context) => {
  context.skip(!(await callIptablesAndFollow(value)), NO_SETTING);
  for (const { family, protocol } of KINDS) {
    const address = lab.vip("b", family, protocol);
    const to = `${family === "IPv6" ? `[${address}]` : address}:80/${protocol.toLowerCase()}`;
    const asked = ["explain", "--from", lab.address("a", family), to, "-o", "json"];
    const { stdout } = await lab.portico.command(...asked);
    const { disagreements, backends } = JSON.parse(stdout) as Explanation;
    const source = lab.address(value === 1 ? "a" : "bridge", family);
    expect(disagreements).toEqual([]);
    expect(backends).toMatchObject([{ source, sourceIs }]);
  }
});

describe("traffic past Services", () => {
  const COUNTED = `table inet others {
    chain forward {
      type filter hook forward priority filter; policy accept;
      udp dport 8080 counter
    }
  }`;
  const forwarded = async () => {
    const listing = await sh(lab.node, "nft list table inet others");
    return /counter packets (\d+)/.exec(listing)?.[1];
  };

  it("passes the rules of others as it did", async () => {
    await callIptablesAndFollow(1);
    await sh(lab.node, `nft -f - <<'END'\n${COUNTED}\nEND`);
    const direct = () => lab.seen("a", lab.address("b", "IPv4"), 8080, "UDP");
    expect(await direct()).toBe(lab.address("a", "IPv4"));
    expect(await forwarded()).toBe("1");
    await sh(lab.node, "nft add rule inet others forward drop");
    expect(await direct()).toBe("timeout");
    expect(await lab.ask("a", "b", "IPv4", "UDP")).toBe(lab.address("a", "IPv4"));
    await sh(lab.node, "nft delete table inet others");
  });
});

it("on a bridge that is made when Portico is there already", async () => {
  const { cluster, node } = await makeNode({ name: "node-1", pods: {}, dualStack: true });
  const portico = new PorticoProcess(node);
  try {
    const clusterIP = lab.vip("b", "IPv4", "TCP");
    const endpoints = [lab.address("b", "IPv4")];
    const service = serviceObjects({ name: "late", clusterIP, endpoints });
    portico.write([nodeObject("node-1", node.address), ...service]);
    await portico.start();
    await portico.synced(LAG_MS);
    await makeBridge(node);
    const [client, server] = [await bridgedPod(node, "a"), await bridgedPod(node, "b")];
    await server.serve({ tcp: 8080 });
    const dialer = await client.dialer();
    const { outcome, client: source } = await dialer.dialOnce(clusterIP, 80, { timeoutMs: LAG_MS });
    expect([outcome, source.replace(/:.*/, "")]).toEqual(["answered", lab.address("a", "IPv4")]);
  } finally {
    await portico.close();
    await cluster.close();
  }
});
