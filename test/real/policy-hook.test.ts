// What the rules of others see of captured packets and of Envoy's connections to backends, and in
// which hook; with the whole product on a node, and rules of another table as an enforcer of
// NetworkPolicies has them.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const FAMILIES = [
  {
    family: "IPv4",
    ip: "ip",
    client: "10.1.1.10",
    web: "10.1.1.11",
    vip: "10.96.0.10",
    dns: "10.96.0.53",
    own: "10.96.0.12",
  },
  {
    family: "IPv6",
    ip: "ip6",
    client: "fd00:1:1::10",
    web: "fd00:1:1::11",
    vip: "fd00:96::10",
    dns: "fd00:96::53",
    own: "fd00:96::12",
  },
] as const;
const SERVICES = ["--service-cidr", "10.96.0.0/16", "--service-cidr", "fd00:96::/112"];

let cluster: Cluster;
let node: ClusterNode;
let client: Dialer;
let portico: PorticoProcess;

beforeAll(async () => {
  const of = (pod: "client" | "web") => FAMILIES.map((each) => each[pod]);
  const pods = { client: of("client"), web: of("web") };
  ({ cluster, node } = await makeNode({ name: "node-1", dualStack: true, pods }));
  await node.pod("web").serve({ tcp: 8080, udp: 8080 });
  await node.pod("client").serve({ tcp: 8080, udp: 8080 });
  client = await node.pod("client").dialer();
  portico = new PorticoProcess(node);
  const objects = FAMILIES.flatMap(({ client: own, web, ...at }, index) => [
    ...serviceObjects({ name: `web${index}`, clusterIP: at.vip, endpoints: [web] }),
    ...serviceObjects({ name: `own${index}`, clusterIP: at.own, endpoints: [own] }),
    ...serviceObjects({
      name: `dns${index}`,
      clusterIP: at.dns,
      protocol: "UDP" as const,
      endpoints: [web],
    }),
  ]);
  portico.write([nodeObject("node-1", node.address), ...objects]);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});
afterEach(() => node.exec("nft", ["delete", "table", "inet", "enforcer"], { allowFailure: true }));

/** One rule in a hook, as another program has it. */
async function enforcer(hook: string, ...rules: string[]): Promise<void> {
  const base = `type filter hook ${hook} priority 0; policy accept;`;
  const lines = ["table inet enforcer {", "chain rules {", base, ...rules, "}", "}", ""];
  await node.exec("nft", ["-f", "-"], { input: lines.join("\n") });
}

async function counted(): Promise<number> {
  const { stdout } = await node.exec("nft", ["list", "table", "inet", "enforcer"]);
  return Number(/counter packets (\d+)/.exec(stdout)?.[1]);
}

async function outcome(address: string, protocol: "TCP" | "UDP" = "TCP"): Promise<string> {
  return (await client.dialOnce(address, 80, { protocol, timeoutMs: 1_000 })).outcome;
}

async function answers(address: string, protocol: "TCP" | "UDP" = "TCP"): Promise<void> {
  await eventually(`an answer of ${address}`, 10_000, async () => {
    return (await outcome(address, protocol)) === "answered";
  });
}

describe("in the forward hook", () => {
  beforeAll(async () => {
    await portico.start(SERVICES);
    await portico.synced(30_000);
  });

  describe.each(FAMILIES)("$family", ({ ip, client: from, web, vip, dns, own }) => {
    const pods = `${ip} saddr ${from} ${ip} daddr ${web}`;

    it("a connection shows its first packet, with client and Pod", async () => {
      await answers(vip);
      await enforcer("forward", `${pods} tcp dport 8080 counter`);
      expect(await outcome(vip)).toBe("answered");
      expect(await counted()).toBe(1);
    });

    it("a flow shows what it sends until the first answer", async () => {
      await answers(dns, "UDP");
      await enforcer("forward", `${pods} udp dport 8080 counter`);
      expect(await outcome(dns, "UDP")).toBe("answered");
      expect(await counted()).toBe(1);
    });

    it("what is dropped there does not arrive, and what is refused ends at once", async () => {
      await enforcer("forward", `${pods} ct state new counter drop`);
      expect(await outcome(vip)).not.toBe("answered");
      expect(await outcome(dns, "UDP")).not.toBe("answered");
      expect(await counted()).toBeGreaterThan(1);
      await node.exec("nft", ["delete", "table", "inet", "enforcer"]);
      await enforcer("forward", `${pods} ct state new counter reject with tcp reset`);
      const started = performance.now();
      expect(await outcome(vip)).not.toBe("answered");
      expect(performance.now() - started).toBeLessThan(900);
    });

    it("the input hook shows a datagram's frontend, and not its listener", async () => {
      await answers(dns, "UDP");
      const isForFrontend = `${ip} saddr ${from} ${ip} daddr ${dns} udp dport 80`;
      await enforcer(
        "input",
        `${isForFrontend} counter`,
        `${ip} saddr ${from} udp dport != 80 drop`,
      );
      expect(await outcome(dns, "UDP")).toBe("answered");
      expect(await counted()).toBe(1);
    });

    // `portico check` names them. Envoy gives a connection to a backend that it has not got yet to
    // the client's next one, so the end of what is dropped may be a reset.
    it.each([
      ["prerouting", "mark . iif"],
      ["forward", "mark . iif"],
      ["forward", "iif"],
    ])("a strict reverse path filter in %s by %s drops it", async (hook, asked) => {
      await enforcer(hook, `iifname portico1 fib saddr . ${asked} oif missing drop`);
      expect(await outcome(vip)).not.toBe("answered");
    });

    it("a loose reverse path filter in forward does not", async () => {
      await enforcer("forward", "fib saddr . mark oif missing counter drop");
      await answers(vip);
      expect(await counted()).toBe(0);
    });

    it("a Pod reaches itself", async () => {
      await answers(own);
    });
  });

  it("nothing of it is seen in the output hook as the node's own", async () => {
    const [{ vip, web }] = FAMILIES;
    await enforcer("output", `ct state new ip daddr ${web} counter drop`);
    expect(await outcome(vip)).toBe("answered");
    expect(await counted()).toBe(0);
  });
});
