// Routing rules of other programs, which come before Portico's or after it, at its start or later:
// what a backend answers to an address that Envoy keeps still comes to Envoy.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dialer } from "../namespaces/dialer.ts";
import { type CaptureLab, captureOn, FAMILIES, makeCaptureLab } from "./capture-lab.ts";

let lab: CaptureLab;
let clients: Record<"pod" | "host" | "outside", Dialer>;

beforeAll(async () => {
  lab = await makeCaptureLab();
  clients = {
    pod: await lab.node.pod("client").dialer(),
    host: await lab.node.dialer(),
    outside: await lab.cluster.outside.dialer(),
  };
});
afterAll(async () => {
  await lab?.envoy.kill();
  await lab?.cluster.close();
});

/** As these programs' sources have them; the tables are made by the test. */
const RULES: Record<string, readonly string[]> = {
  "Calico with WireGuard": ["not fwmark 0x100000/0x100000 lookup 1 priority 99"],
  "Cilium, which moves the table local": [
    "fwmark 0xe00/0xf00 lookup 201 priority 1",
    "fwmark 0x200/0xf00 lookup 2004 priority 9",
    "fwmark 0xa00/0xf00 lookup 2005 priority 10",
    "lookup local priority 100",
  ],
  "Istio's ambient mode of old": [
    "fwmark 0x200/0x200 goto 32766 priority 100",
    "fwmark 0x100/0x100 lookup 101 priority 101",
    "lookup 100 priority 103",
  ],
  strongSwan: ["lookup 220 priority 220"],
  "AWS' VPC CNI": ["fwmark 0x80/0x80 lookup main priority 1024", "lookup 2 priority 1536"],
  Tailscale: [
    "fwmark 0x80000/0xff0000 lookup main priority 5210",
    "fwmark 0x80000/0xff0000 lookup default priority 5230",
    "fwmark 0x80000/0xff0000 unreachable priority 5250",
    "lookup 52 priority 5270",
  ],
  "VRFs, with the table local behind them": ["l3mdev priority 1000", "lookup local priority 32765"],
  "an interface of its own for the Pods' addresses": ["lookup 31 priority 2"],
};

/** Ways to the clients, which are right for whatever is not Envoy's. */
async function makeTables(rules: readonly string[], verb: "add" | "del"): Promise<void> {
  const { IPv4, IPv6 } = lab.at;
  const { link } = lab.node.pod("client");
  for (const [, table = ""] of rules.join("\n").matchAll(/lookup (\d+)/g)) {
    for (const { outside, client } of [IPv4, IPv6]) {
      await lab.node.exec("ip", ["route", verb, outside, "dev", "eth0", "table", table]);
      await lab.node.exec("ip", ["route", verb, client, "dev", link, "table", table]);
    }
  }
}

async function changeRules(rules: readonly string[], verb: "add" | "del"): Promise<void> {
  for (const family of ["-4", "-6"]) {
    for (const rule of rules) await lab.node.exec("ip", [family, "rule", verb, ...rule.split(" ")]);
    if (!rules.some((rule) => rule.startsWith("lookup local"))) continue;
    const back = verb === "add" ? "del" : "add";
    await lab.node.exec("ip", [family, "rule", back, "lookup", "local", "priority", "0"]);
  }
}

async function seenBy(client: keyof typeof clients, address: string): Promise<string[]> {
  const results = await clients[client].dial(address, 80, { tries: 3, timeoutMs: 5_000 });
  const source = (text: string) => text.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return [...new Set(results.map((each) => `${each.outcome} ${source(each.client)}`))];
}

async function allIsServed(): Promise<void> {
  for (const family of FAMILIES) {
    const at = lab.at[family];
    expect(await seenBy("outside", at.externalLocal)).toEqual([`answered ${at.outside}`]);
    expect(await seenBy("pod", at.web)).toEqual([`answered ${at.client}`]);
    expect(await seenBy("pod", at.host)).toEqual([`answered ${at.client}`]);
    expect(await seenBy("pod", at.own)).toEqual([`answered ${at.node}`]);
    expect(await seenBy("host", at.web)).toEqual([`answered ${at.node}`]);
    expect(await seenBy("outside", at.external)).toEqual([`answered ${at.node}`]);
  }
}

describe.each(Object.entries(RULES))("rules of %s", (_, rules) => {
  it("take nothing from Envoy, before Portico's start and after it", async () => {
    await makeTables(rules, "add");
    await changeRules(rules, "add");
    await allIsServed();
    expect((await captureOn(lab.node).cleanup()).problems).toEqual([]);
    await lab.capture.full(lab.set);
    await allIsServed();
    await changeRules(rules, "del");
    await makeTables(rules, "del");
  }, 120_000);
});
