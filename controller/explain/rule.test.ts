import { describe, expect, test } from "vitest";
import { EMPTY_KERNEL_TARGET } from "../capture/kernel-target.ts";
import type { LocalDetector } from "../capture/local-detector.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { rulesetFrom } from "../capture/ruleset.ts";
import { Evidence, type Question, type SetElement } from "./evidence.ts";
import { kernelTableFrom } from "./kernel-table.ts";
import type { Packet } from "./packet.ts";
import { applyRule } from "./rule.ts";

const SYN: Packet = {
  protocol: "tcp",
  source: "10.1.1.10",
  destination: "10.96.0.10",
  sourcePort: 0,
  destinationPort: 80,
  iif: "veth7",
  oif: "",
  mark: 0,
  ctMark: 0,
  isFromTransparentSocket: false,
  added: new Set<string>(),
  isUntracked: false,
};

/** Returns evidence with only these elements, a client of another node, and one listener. */
function evidence(elements: Record<string, SetElement> = {}): Evidence {
  const known = new Evidence();
  const element = (set: string, key: string) => {
    known.answer({ kind: "element", set, key }, elements[`${set} ${key}`] ?? null);
  };
  for (const name of Object.keys(elements)) {
    const [set = "", ...key] = name.split(" ");
    element(set, key.join(" "));
  }
  known.answer(
    { kind: "route", address: "10.1.1.10" },
    { type: "unicast", device: "veth7", source: "192.0.2.1" },
  );
  const listener: Question = { kind: "listener", protocol: "TCP", address: "0.0.0.0", port: 15401 };
  known.answer(listener, { name: "capture-keep" });
  return known;
}

function run(rule: string, changes: Partial<Packet> = {}, elements?: Record<string, SetElement>) {
  const packet = { ...SYN, ...changes };
  return { ...applyRule(rule, packet, evidence(elements)), packet };
}

describe("conditions", () => {
  test.each([
    ["meta l4proto tcp accept", true],
    ["meta l4proto != tcp accept", false],
    ["meta l4proto { tcp, udp } accept", true],
    ["ip saddr { 10.1.1.0/24, 10.2.0.0/16 } accept", true],
    ["ip saddr 10.1.2.0/24 accept", false],
    ["ip6 saddr fd00::/16 accept", false],
    ["ip6 saddr != fd00::/16 accept", false],
    ['iifname "veth*" accept', true],
    ['iifname "eth0" accept', false],
    ["tcp dport 80-90 accept", true],
    ["tcp dport { 15401, 15402 } accept", false],
    ["udp dport 80 accept", false],
    ["fib saddr type local accept", false],
    ["fib saddr type != local accept", true],
    ["ct state new ct direction original accept", true],
    ["ct state related,established accept", false],
    ["tcp flags & (fin | syn | rst | ack) == syn accept", true],
    ["tcp flags syn / fin,syn,rst,ack accept", true],
  ])("%s: %s", (rule, matches) => {
    expect(run(rule)).toMatchObject({ matches, elements: [] });
    expect(run(rule).unknown).toBeUndefined();
  });

  test("marks, as we write them and as nft lists them", () => {
    for (const rule of [
      "meta mark and 0x1000 == 0x1000 accept",
      "meta mark & 0x00001000 == 0x00001000 accept",
    ]) {
      expect(run(rule).matches).toBe(false);
      expect(run(rule, { mark: 0x1040 }).matches).toBe(true);
    }
    expect(run("meta mark & 0x00001000 != 0x00001000 accept").matches).toBe(true);
  });
});

describe("sets and maps", () => {
  const key = "10.96.0.10 . tcp . 80";
  const frontends = { [`frontends_v4 ${key}`]: { key, value: "goto verdict_keep" } };

  test("a verdict map leads where its element says", () => {
    const rule = "ip daddr . meta l4proto . th dport vmap @frontends_v4";
    expect(run(rule, {}, frontends)).toMatchObject({
      matches: true,
      verdict: { kind: "goto", chain: "verdict_keep" },
      elements: [{ set: "frontends_v4", key, value: "goto verdict_keep" }],
    });
    expect(run(rule, { destinationPort: 81 }, frontends).matches).toBe(false);
  });

  test("a set, and not in a set", () => {
    const set = { "cluster_ips_v4 10.96.0.10": { key: "10.96.0.10" } };
    expect(run("ip daddr @cluster_ips_v4 goto verdict_refuse", {}, set).matches).toBe(true);
    expect(run("ip daddr != @cluster_ips_v4 drop", {}, set).matches).toBe(false);
    expect(run("ip daddr != @cluster_ips_v4 drop").matches).toBe(true);
    expect(run("ip6 daddr != @cluster_ips_v6 drop").matches).toBe(false);
  });

  test("a map rewrites the packet, or the rule does not match", () => {
    const rule = "ip daddr set ip daddr . udp dport map @udp_keep_v4 goto udp_deliver";
    const map = { "udp_keep_v4 10.96.0.10 . 53": { key: "10.96.0.10 . 53", value: "240.0.0.1" } };
    const datagram = { protocol: "udp", destinationPort: 53 } as const;
    expect(run(rule, datagram, map).packet.destination).toBe("240.0.0.1");
    expect(run(rule, { ...datagram, destinationPort: 54 }, map).matches).toBe(false);
  });
});

test("TPROXY takes what Envoy listens for, and nothing else", () => {
  const rule = (port: number) => `meta l4proto tcp tproxy ip to 127.0.0.1:${port} accept`;
  expect(run(rule(15401))).toMatchObject({ matches: true, listener: "capture-keep" });
  expect(run(rule(15402)).matches).toBe(false);
  expect(run("tproxy ip6 to [::1]:15401 accept").matches).toBe(false);
});

test("NAT translates the port, and ends the way through the chain", () => {
  const { packet, verdict } = run("meta l4proto tcp dnat to :15405");
  expect([packet.destinationPort, verdict]).toEqual([15405, { kind: "accept" }]);
});

test("a bridge is known as such", () => {
  const rule = 'meta iifkind "bridge" accept';
  const run = (iif: string) => {
    const known = new Evidence();
    known.answer({ kind: "bridge", name: "cni0" }, true);
    return applyRule(rule, { ...SYN, iif }, known).matches;
  };
  expect([run("cni0"), run("eth0"), run("lo"), run("")]).toEqual([true, false, false, false]);
});

test("a mark is set and cleared", () => {
  expect(run("meta mark set meta mark | 0x00001000 accept").packet.mark).toBe(0x1000);
  const cleared = run("meta mark set meta mark & 0xffffefbf", { mark: 0x1041 });
  expect(cleared.packet.mark).toBe(1);
  expect(run("ct mark set ct mark or 0x1000 goto deliver").packet.ctMark).toBe(0x1000);
});

test.each(["ip dscp cs1 accept", "meta l4proto tcp ip saddr @x fwd to eth0", "flow add @f"])(
  "%s: not understood, and said so",
  (rule) => {
    const { matches, unknown } = run(rule, {}, { "x 10.1.1.10": { key: "10.1.1.10" } });
    expect(matches).toBe(false);
    expect(unknown).not.toBe("");
    expect(unknown).toBeDefined();
  },
);

test.each<LocalDetector>([
  { kind: "none" },
  { kind: "cidrs", cidrs: ["10.1.1.0/24", "fd00:1:1::/64"] },
  { kind: "bridge", name: "cni0" },
  { kind: "prefix", prefix: "veth" },
])("every rule that Portico writes is understood: %j", (localDetector) => {
  const redirectPorts = { keep: 15405, masquerade: 15406, local: 15407 };
  for (const own of [{ masqueradeAll: true }, { masqueradeAll: false }, { redirectPorts }]) {
    const options = { ...DEFAULT_CAPTURE_OPTIONS, localDetector, ...own };
    const table = kernelTableFrom(rulesetFrom(EMPTY_KERNEL_TARGET, options));
    expect(table.size).toBeGreaterThan(20);
    // A condition is tested only where those before it hold, so this needs several packets.
    const packets = ["tcp", "udp"].flatMap((protocol) =>
      ["10.1.1.10", "fd00:1:1::a"].map((source) => ({ protocol, source }) as Partial<Packet>),
    );
    for (const { rules } of table.values()) {
      for (const rule of rules) {
        for (const changes of packets) expect(run(rule, changes).unknown, rule).toBeUndefined();
      }
    }
  }
});
