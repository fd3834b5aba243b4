// Pods that are ports of a bridge, as the CNI plugin of that name makes them, reach Services with
// Portico's default flags, whether the bridge shows their packets to iptables or not. Their address
// is kept wherever kube-proxy keeps it.

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Explanation } from "../../controller/explain/explanation.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import {
  callIptablesAndFollow,
  everyWay,
  expectedWays,
  followed,
  KINDS,
  NO_SETTING,
} from "./bridge-cases.ts";
import {
  BridgeLab,
  bridgedAddresses,
  bridgedPods,
  callIptables,
  FAMILIES,
  makeBridge,
  PROTOCOLS,
  sh,
} from "./bridge-lab.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const LAG_MS = 30_000;
const VIP = "10.96.0.50";

let lab: BridgeLab;

beforeAll(async () => {
  lab = await BridgeLab.make();
  await lab.start();
});

afterAll(() => lab?.close());

describe("where bridges call iptables", () => {
  it.for(KINDS)("reach all, with their own address: $family $protocol", async (kind, context) => {
    const { family, protocol } = kind;
    context.skip(!(await callIptablesAndFollow(lab.node, 1)), NO_SETTING);
    expect(await everyWay(lab, family, protocol)).toEqual(expectedWays(lab, family, "a"));
  });

  it.each(FAMILIES)("carry streams: %s", async (family) => {
    await callIptablesAndFollow(lab.node, 1);
    const text = "0123456789".repeat(100_000);
    for (const backend of ["b", "d"] as const) {
      const dialer = await lab.pod("a").dialer();
      const connection = await dialer.open(lab.vip(backend, family, "TCP"), 80);
      expect((await connection.echo(text, LAG_MS)) === text).toBe(true);
      await connection.close();
    }
  });

  it.each([
    ["hairpin mode", "ip link set LINK type bridge_slave hairpin on", "hairpin off"],
    ["a promiscuous bridge", "ip link set cni0 promisc on", "promisc off"],
  ])("work with %s", async (_, line, off) => {
    await callIptablesAndFollow(lab.node, 1);
    const links = ["a", "b"].map((name) => lab.node.pod(name).link);
    for (const link of links) await sh(lab.node, line.replace("LINK", link));
    for (const { family, protocol } of KINDS) {
      expect(await everyWay(lab, family, protocol)).toEqual(expectedWays(lab, family, "a"));
    }
    const undo = line.replace(/(hairpin|promisc) on/, off);
    for (const link of links) await sh(lab.node, undo.replace("LINK", link));
  });
});

describe("where they do not", () => {
  it.each(KINDS)("reach all, on one bridge by its address: $family $protocol", async (kind) => {
    const { family, protocol } = kind;
    await callIptablesAndFollow(lab.node, 0);
    expect(await everyWay(lab, family, protocol)).toEqual(expectedWays(lab, family, "bridge"));
  });
});

it("each family by its own sysctl", async () => {
  await callIptablesAndFollow(lab.node, 1);
  await sh(lab.node, "echo 0 > /proc/sys/net/bridge/bridge-nf-call-ip6tables");
  await followed(lab.node, "IPv6", 0);
  for (const protocol of PROTOCOLS) {
    expect(await everyWay(lab, "IPv4", protocol)).toEqual(expectedWays(lab, "IPv4", "a"));
    expect(await everyWay(lab, "IPv6", protocol)).toEqual(expectedWays(lab, "IPv6", "bridge"));
  }
});

it("with a bridge that calls iptables by itself", { timeout: 3 * LAG_MS }, async () => {
  await callIptablesAndFollow(lab.node, 0);
  const bridge = "ip link set cni0 type bridge nf_call_iptables";
  onTestFinished(async () => void (await sh(lab.node, `${bridge} 0`)));
  await sh(lab.node, `${bridge} 1`);
  await followed(lab.node, "IPv4", 1);
  expect(await everyWay(lab, "IPv4", "UDP")).toEqual(expectedWays(lab, "IPv4", "a"));
  expect(await everyWay(lab, "IPv6", "UDP")).toEqual(expectedWays(lab, "IPv6", "bridge"));
});

it.for([
  [1, "kept"],
  [0, "bridge"],
] as const)("as explain says, with the sysctl at %i: %s", async ([value, sourceIs], context) => {
  context.skip(!(await callIptablesAndFollow(lab.node, value)), NO_SETTING);
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

  it("passes the rules of others, through a Service as directly", async () => {
    await callIptablesAndFollow(lab.node, 1);
    await sh(lab.node, `nft -f - <<'END'\n${COUNTED}\nEND`);
    const direct = () => lab.seen("a", lab.address("b", "IPv4"), 8080, "UDP");
    expect(await direct()).toBe(lab.address("a", "IPv4"));
    expect(await forwarded()).toBe("1");
    await sh(lab.node, "nft add rule inet others forward drop");
    expect(await direct()).toBe("timeout");
    expect(await lab.ask("a", "b", "IPv4", "UDP")).toBe("timeout");
    await sh(lab.node, "nft delete table inet others");
  });
});

// The last of this Portico, which is started again for it.
it("masqueraded, when everybody is to be", async () => {
  await lab.portico.end("SIGTERM");
  await lab.start("--masquerade-all");
  for (const value of [0, 1] as const) {
    await callIptables(lab.node, value);
    for (const { family, protocol } of KINDS) {
      expect(await lab.ask("a", "b", family, protocol)).toBe(lab.address("bridge", family));
    }
  }
});

describe("on a bridge that is made when Portico is there already", () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let portico: PorticoProcess;

  beforeAll(async () => {
    const plan = { name: "node-1", dualStack: true, podNetwork: bridgedPods };
    ({ cluster, node } = await makeNode(plan));
    portico = new PorticoProcess(node);
    const service = { name: "late", clusterIP: VIP, endpoints: bridgedAddresses("b").slice(0, 1) };
    portico.write([nodeObject("node-1", node.address), ...serviceObjects(service)]);
    await callIptables(node, 0);
    // What an earlier controller left that was killed while it tried the order of hooks.
    await sh(node, "nft add table inet portico_order; ip link add portico-passing type bridge");
    await portico.start(["--sync-period", "1h"]);
    await portico.synced(LAG_MS);
  });

  afterAll(async () => {
    await portico?.close();
    await cluster?.close();
  });

  async function seenByBackend(): Promise<string> {
    const dialer = await node.pod("a").dialer();
    const { outcome, client } = await dialer.dialOnce(VIP, 80, { timeoutMs: LAG_MS });
    return outcome === "answered" ? client.replace(/:\d+$/, "") : outcome;
  }

  it("has nothing left of a controller that was killed", async () => {
    expect(await sh(node, "nft list tables; ip -o link show type bridge")).toBe(
      "table inet portico\n",
    );
  });

  it("follows its prefixes at once, and writes no rules for Pods' links", async () => {
    await makeBridge(node);
    for (const family of FAMILIES) await followed(node, family, 0);
    await sh(node, "ip address add 10.1.7.1/24 dev cni0");
    await followed(node, "IPv4", 0, "10\\.1\\.7\\.0/24");
    const rules = await sh(node, "nft -a list chain inet portico hairpin");
    const pods = [];
    for (const name of ["a", "b"] as const) {
      pods.push(await node.addPod(name, bridgedAddresses(name)));
    }
    await pods.at(-1)?.serve({ tcp: 8080 });
    expect(await seenByBackend()).toBe("10.1.9.1");
    // Each time that they are written they get other handles.
    expect(await sh(node, "nft -a list chain inet portico hairpin")).toBe(rules);
  });

  it("follows the sysctl", async (context) => {
    context.skip(!(await callIptablesAndFollow(node, 1)), NO_SETTING);
    expect(await seenByBackend()).toBe(bridgedAddresses("a")[0]);
  });
});
