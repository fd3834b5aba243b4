// A verdict → the rules of its chain, as node/hand-over.ts decides for each client. Pure text, for
// chains.ts.

import { sameData } from "../model/same-data.ts";
import { type Destination, type HandOver, handOverOf } from "../node/hand-over.ts";
import type { Verdict } from "../node/types.ts";
import { type Family, familiesOf } from "./families.ts";
import { detectedFamilies, type LocalDetector } from "./local-detector.ts";
import type { CaptureOptions } from "./options.ts";

/**
 * Returns the rules of a verdict's chain. Where Pods of this node are not distinguishable from
 * other clients, no rule asks for them.
 */
export function verdictRules(verdict: Verdict, options: CaptureOptions): string[] {
  const { masqueradeAll, families, localDetector } = options;
  const detected = detectedFamilies(localDetector, families);
  const undetected = families.filter((family) => !detected.includes(family));
  const detectsPods = detected.length > 0;
  const handOver = handOverOf(verdict, { masqueradeAll, detectsPods });
  const withoutPods = handOverOf(verdict, { masqueradeAll, detectsPods: false });
  const differing = sameData(handOver, withoutPods) ? [] : familiesOf(undetected);
  const pods = handOver.pods === handOver.others ? [] : ifLocalPod(options);
  return [
    ...pods.flatMap((condition) => given(condition, leadTo(handOver.pods))),
    ...differing.flatMap(({ nfproto }) => given(`meta nfproto ${nfproto}`, forOthers(withoutPods))),
    ...forOthers(handOver),
  ];
}

/** Returns the rules for all clients but Pods of this node. */
function forOthers({ host, others }: HandOver): string[] {
  const fromHost = host === others ? [] : given("fib saddr type local", leadTo(host));
  return [...fromHost, ...leadTo(others)];
}

/**
 * Resets TCP instead of sending an ICMP error: the kernel sends at most one ICMP error a second to
 * one client, and a connect would then take seconds to be refused.
 */
function leadTo(destination: Destination): string[] {
  if (destination === "refuse") return ["meta l4proto tcp reject with tcp reset", "reject"];
  return [destination === "drop" ? "drop" : `goto to_${destination}`];
}

function given(condition: string, rules: readonly string[]): string[] {
  return rules.map((rule) => `${condition} ${rule}`);
}

/** Returns conditions; any of them holds for a packet from a Pod of this node; none: unknown. */
function ifLocalPod(options: CaptureOptions): string[] {
  const detector = options.localDetector;
  if (detector.kind === "none") return [];
  if (detector.kind === "bridge") return [`iifname "${detector.name}"`];
  if (detector.kind === "prefix") return [`iifname "${detector.prefix}*"`];
  return familiesOf(detectedFamilies(detector, options.families)).map((family) => {
    return `${family.header} saddr { ${cidrsOf(detector, family).join(", ")} }`;
  });
}

function cidrsOf(detector: LocalDetector & { kind: "cidrs" }, { family }: Family): string[] {
  return detector.cidrs.filter((cidr) => cidr.includes(":") === (family === "IPv6"));
}
