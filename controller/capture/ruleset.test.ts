import { describe, expect, it } from "vitest";
import {
  bindingsAt,
  capturedFrontends,
  withCaptured,
  withVerdicts,
} from "../../test/stand-ins/captured.ts";
import { elementChanges } from "./elements.ts";
import { familiesOf } from "./families.ts";
import { EMPTY_KERNEL_TARGET, type KernelTarget } from "./kernel-target.ts";
import { type CaptureOptions, DEFAULT_CAPTURE_OPTIONS } from "./options.ts";
import { recreation, replacement, rulesetFrom } from "./ruleset.ts";

const EMPTY = EMPTY_KERNEL_TARGET;

const FRONTENDS = new Map([
  ...capturedFrontends({
    "10.96.0.10:53/UDP": "refuse",
    "10.96.0.10:80/TCP": "keep",
    "10.96.0.12:53/UDP": "keep",
    "10.96.0.11:80/TCP": "refuse",
    "192.0.2.1:30080/TCP": "masquerade",
    "192.0.2.1:30081/TCP": "drop",
  }),
  ...capturedFrontends({ "203.0.113.7:80/TCP": "short-circuit" }, { isExternal: true }),
  ...capturedFrontends({ "203.0.113.9:53/UDP": "local" }),
  ...capturedFrontends(
    { "203.0.113.9:80/TCP": "local" },
    { isExternal: true, allowedSources: ["10.1.0.0/16", "198.51.100.0/24"] },
  ),
  ...capturedFrontends({ "[fd00:96::a]:53/UDP": "keep", "[fd00:96::a]:80/TCP": "keep" }),
  ...capturedFrontends(
    { "[fd00:e::9]:80/TCP": "local" },
    { isExternal: true, allowedSources: ["fd00:5::/64"] },
  ),
]);

const SHOP: KernelTarget = {
  frontends: FRONTENDS,
  clusterIPs: new Set(["10.96.0.10", "10.96.0.11", "fd00:96::a"]),
  serviceCIDRs: new Set(["10.96.0.0/16", "fd00:96::/112"]),
  localBackendAddresses: new Set(["10.1.1.10", "10.1.1.11", "fd00:1::10"]),
  udpBindings: bindingsAt({
    "10.96.0.12:53/UDP": { keep: "240.0.0.1" },
    "203.0.113.9:53/UDP": { keep: "240.0.0.2", local: "240.0.0.3", masquerade: "240.0.0.4" },
    "[fd00:96::a]:53/UDP": { keep: "fd70::1" },
  }),
  formerUdpBindings: bindingsAt({ "10.96.0.12:53/UDP": { keep: "240.0.0.9" } }),
};

const FAMILIES = familiesOf(["IPv4", "IPv6"]);

describe("the whole table", () => {
  it("reads as written down", async () => {
    const text = rulesetFrom(SHOP, DEFAULT_CAPTURE_OPTIONS);
    await expect(text).toMatchFileSnapshot("golden/ruleset.nft");
  });

  it("depends on the bridges of the node", () => {
    const unseen = [
      { bridge: "cni0", cidr: "10.1.9.0/24" },
      { bridge: "cni0", cidr: "fd00:9::/64" },
    ];
    const text = (hasNetfilter: boolean, families: CaptureOptions["families"]) =>
      rulesetFrom(EMPTY, {
        ...DEFAULT_CAPTURE_OPTIONS,
        families,
        bridges: { hasNetfilter, calling: [], unseen },
      });
    const both = text(true, ["IPv4", "IPv6"]);
    expect(both.match(/oifname "cni0" ip6? saddr \S+ ip6? daddr \S+ masquerade/g)).toEqual([
      'oifname "cni0" ip saddr 10.1.9.0/24 ip daddr 10.1.9.0/24 masquerade',
      'oifname "cni0" ip6 saddr fd00:9::/64 ip6 daddr fd00:9::/64 masquerade',
    ]);
    expect(both).toContain("priority -2147483648");
    const one = text(false, ["IPv4"]);
    expect(one.match(/oifname "cni0"/g)).toHaveLength(1);
    expect(one).not.toMatch(/look_again|detour|return_home|iifkind/);
  });

  it("redirects TCP of Pods on bridges where the order of hooks is not relied on", async () => {
    const redirectPorts = { keep: 15405, masquerade: 15406, local: 15407 };
    const options = { ...DEFAULT_CAPTURE_OPTIONS, redirectPorts };
    const text = (calling: CaptureOptions["families"]) =>
      rulesetFrom(EMPTY, { ...options, bridges: { ...options.bridges, calling } });
    const both = text(["IPv4", "IPv6"]);
    const usual = new Set(rulesetFrom(EMPTY, DEFAULT_CAPTURE_OPTIONS).split("\n"));
    const own = both.split("\n").filter((line) => !usual.has(line));
    await expect(`${own.join("\n")}\n`).toMatchFileSnapshot("golden/redirect.nft");
    expect(both).not.toContain("look_again");
    expect(both).toContain("chain detour");
    expect(text(["IPv6"]).match(/meta iifkind "bridge" meta nfproto ipv6 tcp/g)).toHaveLength(4);
    expect(text([])).not.toMatch(/goto redirect/);
  });

  it("has no empty element lists, which nft does not take", async () => {
    expect(rulesetFrom(EMPTY, DEFAULT_CAPTURE_OPTIONS)).not.toContain("elements");
  });

  it("touches its bits of the marks, whatever bits they are", () => {
    const bits = {
      markBit: 0x80000000,
      envoyMarkBit: 0x1,
      forwardMarkBit: 0x2,
      masqueradeMarkBit: 0x4,
    };
    const text = rulesetFrom(SHOP, { ...DEFAULT_CAPTURE_OPTIONS, ...bits });
    const changes = text.match(/mark set .*?(0x[0-9a-f]+)/g) ?? [];
    expect(new Set(changes)).toEqual(
      new Set([
        "mark set meta mark or 0x80000000",
        "mark set ct mark or 0x80000000",
        "mark set ct mark or 0x1",
        "mark set meta mark and 0x7ffffffa",
        "mark set meta mark or 0x3",
        "mark set ct mark or 0x4",
        "mark set ct mark or 0x80000004",
        "mark set meta mark or 0x4",
        // Which kind of UDP listener it is.
        "mark set meta mark and 0xfffffffa",
        // A packet that the node has forwarded to itself comes in as a new one, except for one bit.
        "mark set meta mark and 0x4",
        "mark set meta mark and 0xfffffffb",
      ]),
    );
  });

  it("leaves out a family that the kernel does not have", () => {
    const text = rulesetFrom(SHOP, { ...DEFAULT_CAPTURE_OPTIONS, families: ["IPv4"] });
    expect(text).not.toMatch(/v6|ip6|fd00|::1/);
    expect(text).toContain("10.96.0.10 . tcp . 80 : goto verdict_keep");
  });
});

describe("put in the place of what is there", () => {
  const ruleset = rulesetFrom(SHOP, DEFAULT_CAPTURE_OPTIONS);
  const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

  it("declares everything and then fills it, where there is nothing", () => {
    const script = replacement(ruleset, "");
    expect(script.endsWith(`}\n${ruleset}`)).toBe(true);
    const skeleton = script.slice(0, -ruleset.length);
    expect(count(skeleton, /^ {2}(chain|set|map) /gm)).toBe(
      count(ruleset, /^ {2}(chain|set|map) /gm),
    );
    expect(count(skeleton, / hook /g)).toBe(count(ruleset, / hook /g));
    expect(skeleton).not.toMatch(/elements|flush|delete/);
  });

  it("empties every chain and set that is there, and deletes none that is wanted", () => {
    const script = replacement(ruleset, ruleset);
    expect(script).toContain("\nflush table inet portico\n");
    const kinds = ["udp_masqueraded", "udp_masqueraded_short", "udp_answered"];
    const ofPackets = kinds.length * FAMILIES.length;
    const sets = count(ruleset, /^ {2}(set|map) /gm) - ofPackets;
    expect(count(script, /^flush (set|map) /gm)).toBe(sets);
    expect(script).not.toMatch(/^delete /m);
  });

  it("deletes what is there alone, maps before the chains they lead to", () => {
    const old = "table inet portico {\n\tchain of_old {\n\t}\n\tmap old_map {\n\t}\n}\n";
    const deletions = replacement(ruleset, old).match(/^(flush|delete) .*old.*$/gm);
    expect(deletions).toEqual([
      "flush map inet portico old_map",
      "delete map inet portico old_map",
      "delete chain inet portico of_old",
    ]);
  });

  it("or makes it all anew", () => {
    const start = "table inet portico\ndelete table inet portico\ntable inet portico {\n";
    expect(recreation(ruleset).startsWith(start)).toBe(true);
  });
});

describe("who counts as a Pod of this node", () => {
  /** Returns the rules of some chains, without the hand-over at the end of each. */
  function rules(options: Partial<CaptureOptions>, ...names: string[]): string {
    const text = rulesetFrom(EMPTY, { ...DEFAULT_CAPTURE_OPTIONS, ...options });
    const chains = names.map((name) => text.split(`  chain ${name} {\n`)[1]?.split("  }")[0]);
    return chains.join("  --\n").replaceAll("    ", "");
  }
  const all = ["verdict_keep", "verdict_local", "verdict_short-circuit"];

  it.each<[string, Partial<CaptureOptions>]>([
    ["nobody", {}],
    [
      "whoever has an address",
      {
        localDetector: { kind: "cidrs", cidrs: ["10.1.0.0/16", "10.2.0.0/16", "fd00:1::/48"] },
      },
    ],
    [
      "whoever has an address, in one family",
      {
        localDetector: { kind: "cidrs", cidrs: ["10.1.0.0/16"] },
      },
    ],
    ["whoever comes by a bridge", { localDetector: { kind: "bridge", name: "cni0" } }],
    [
      "whoever comes by one of the interfaces",
      { localDetector: { kind: "prefix", prefix: "veth" } },
    ],
    [
      "whoever, since everybody is masqueraded",
      {
        masqueradeAll: true,
        localDetector: { kind: "bridge", name: "cni0" },
      },
    ],
  ])("%s", (_, options) => {
    expect(rules(options, ...all)).toMatchSnapshot();
  });
});

describe("changes of elements", () => {
  it("are none between equal sets", () => {
    expect(elementChanges(SHOP, { ...SHOP, frontends: new Map(FRONTENDS) }, FAMILIES)).toBe("");
  });

  it("take out and put in what differs, and nothing else", async () => {
    const changed = withVerdicts(SHOP, {
      "192.0.2.1:30081/TCP": undefined,
      "10.96.0.11:80/TCP": "keep",
      "10.96.0.12:443/TCP": "drop",
    });
    const inside = { isExternal: false, allowedSources: [] };
    const frontends = withCaptured(changed.frontends, {
      "203.0.113.7:80/TCP": inside,
      "203.0.113.9:80/TCP": { allowedSources: ["10.1.0.0/16", "198.51.100.0/25"] },
      "[fd00:e::9]:80/TCP": inside,
    });
    const next: KernelTarget = {
      frontends,
      clusterIPs: new Set(["10.96.0.10", "10.96.0.11", "10.96.0.12"]),
      serviceCIDRs: new Set(["10.112.0.0/16"]),
      localBackendAddresses: new Set(["10.1.1.10"]),
      udpBindings: bindingsAt({
        "10.96.0.12:53/UDP": { keep: "240.0.0.1" },
        "203.0.113.9:53/UDP": { masquerade: "240.0.0.4" },
        "203.0.113.9:54/UDP": { keep: "240.0.0.5" },
      }),
      formerUdpBindings: bindingsAt({ "203.0.113.9:53/UDP": { keep: "240.0.0.2" } }),
    };
    await expect(elementChanges(SHOP, next, FAMILIES)).toMatchFileSnapshot("golden/changes.nft");
  });
});
