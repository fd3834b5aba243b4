// Where the kernel's rules lead each client, and the UDP listeners that Envoy has: the rules must
// not lead to a missing listener.

import { describe, expect, it } from "vitest";
import { targetUdpOf } from "../../test/stand-ins/udp-targets.ts";
import { detectedFamilies, type LocalDetector } from "../capture/local-detector.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { verdictRules } from "../capture/verdict-rules.ts";
import type { IPFamily } from "../model/types.ts";
import type { UdpOptions } from "../xds/udp-target.ts";
import { DEFAULT_SETTINGS } from "./frontend-settings.ts";
import { type HandOver, handOverOf, LISTENER_KINDS, VERDICTS } from "./hand-over.ts";
import type { Frontend, Verdict } from "./types.ts";

const FAMILIES = ["IPv4", "IPv6"] as const;
const DETECTORS: LocalDetector[] = [
  { kind: "none" },
  { kind: "cidrs", cidrs: ["10.1.0.0/16"] },
  { kind: "cidrs", cidrs: ["10.1.0.0/16", "fd00:1::/48"] },
  { kind: "bridge", name: "cni0" },
];
const SITUATIONS = VERDICTS.flatMap((verdict) =>
  [false, true].flatMap((masqueradeAll) =>
    DETECTORS.flatMap((localDetector) =>
      FAMILIES.map((family) => ({ verdict, masqueradeAll, localDetector, family })),
    ),
  ),
);

/** Returns where the first rule leads that a client's packets of the family match. */
function followed(rules: readonly string[], from: keyof HandOver, family: IPFamily): string {
  const conditions: [RegExp, boolean][] = [
    [/^ip saddr \{[^}]*\} /, from === "pods" && family === "IPv4"],
    [/^ip6 saddr \{[^}]*\} /, from === "pods" && family === "IPv6"],
    [/^iifname "cni0" /, from === "pods"],
    [/^meta nfproto ipv4 /, family === "IPv4"],
    [/^meta nfproto ipv6 /, family === "IPv6"],
    [/^fib saddr type local /, from === "host"],
    [/^meta l4proto tcp /, false],
  ];
  for (const rule of rules) {
    let [rest, matches] = [rule, true];
    for (const [condition, holds] of conditions) {
      if (condition.test(rest)) matches &&= holds;
      rest = rest.replace(condition, "");
    }
    if (matches) return rest.replace("goto to_", "").replace("reject", "refuse");
  }
  throw new Error(`no rule of ${JSON.stringify(rules)} for ${from}`);
}

function listenersOf(verdict: Verdict, family: IPFamily, options: UdpOptions) {
  const address = family === "IPv4" ? "10.96.0.10" : "fd00:96::a";
  const backends = [{ address: "10.1.0.5", port: 53, local: true }];
  const frontend: Frontend = {
    key: `${address} 53`,
    family,
    address,
    port: 53,
    protocol: "UDP",
    kind: "ClusterIP",
    namespace: "shop",
    service: "dns",
    portName: "",
    verdict,
    backends,
    localBackends: backends,
    servingBackends: backends,
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
  };
  const { listeners } = targetUdpOf([frontend], options).target;
  return new Set([...listeners.values()].map(({ kind }) => kind));
}

describe("the kernel's rules and Envoy's UDP listeners", () => {
  it.each(SITUATIONS)("agree: %o", ({ verdict, masqueradeAll, localDetector, family }) => {
    const options = {
      ...DEFAULT_CAPTURE_OPTIONS,
      families: FAMILIES,
      masqueradeAll,
      localDetector,
    };
    const rules = verdictRules(verdict, options);
    const podFamilies = detectedFamilies(localDetector, FAMILIES);
    const detectsPods = podFamilies.includes(family);
    const clients = detectsPods
      ? (["pods", "host", "others"] as const)
      : (["host", "others"] as const);
    const handOver = handOverOf(verdict, { masqueradeAll, detectsPods });
    const places = clients.map((from) => followed(rules, from, family));
    expect(places).toEqual(clients.map((from) => handOver[from]));
    const wanted = LISTENER_KINDS.filter((kind) => places.includes(kind));
    const present = listenersOf(verdict, family, { masqueradeAll, podFamilies });
    expect(present).toEqual(new Set(wanted));
  });
});
